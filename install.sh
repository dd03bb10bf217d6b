#!/bin/sh
# Install loadshed on Raspberry Pi OS or Debian (bookworm, trixie), or upgrade it:
#
#   sudo ./install.sh                 build the package from this folder and install it
#   sudo ./install.sh FILE.deb        install FILE.deb
#
# It may be run repeatedly. It starts nothing that is not already running, and prints the next steps at the end.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
OLDEST_PYTHON="3.11"

say() { printf '%s\n' "$*"; }

stop() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

check_system() {
	[ "$(id -u)" -eq 0 ] || stop "only root may install. Run: sudo ./install.sh"
	for tool in apt-get dpkg-deb; do
		command -v "$tool" >/dev/null || stop "$tool not found. This script supports Raspberry Pi OS and Debian only."
	done
	[ -d /run/systemd/system ] || say "systemd is not running. The package will be installed, but no service can be started."
}

# Install only what is missing, so that a machine with all packages needs no network.
apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@" && return 0
	say "Trying again with updated package lists."
	apt-get update -q || stop "apt cannot reach its servers. Check the internet connection, then run: sudo ./install.sh"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@"
}

install_build_tools() {
	missing=
	command -v python3 >/dev/null || missing="$missing python3"
	command -v make >/dev/null || missing="$missing make"
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
	# shellcheck disable=SC2086  # several words
	[ -z "$missing" ] || apt_install $missing || stop "apt could not install$missing. The reason is shown above."
	python3 -c "import sys; sys.exit(sys.version_info < ($(echo $OLDEST_PYTHON | tr . ,)))" ||
		stop "Python is older than $OLDEST_PYTHON. loadshed needs Raspberry Pi OS or Debian, bookworm (2023) or newer."
}

# Run as the owner of this folder, so that no file in it belongs to root.
as_owner() {
	owner=$(stat -c %U "$HERE")
	if [ "$owner" = root ] || [ "$owner" = UNKNOWN ]; then "$@"; else runuser -u "$owner" -- "$@"; fi
}

build() {
	[ -f "$HERE/packaging/build_deb.py" ] || stop "$HERE does not contain the loadshed sources. Run it in the project folder, or pass a .deb file."
	install_build_tools
	say "Building the package. Its libraries are downloaded once and verified by hash."
	as_owner make -s -C "$HERE" deb >/dev/null ||
		stop "the package could not be built. The reason is shown above. Check the internet connection."
	# shellcheck disable=SC2012  # the file names are known
	package=$(ls -t "$HERE"/dist/loadshed_*_all.deb | head -n 1)
}

install_package() {
	case "$1" in /*) package=$1 ;; *) package=$(pwd)/$1 ;; esac
	[ -f "$package" ] || stop "there is no file $package"
	[ "$(dpkg-deb -f "$package" Package 2>/dev/null)" = loadshed ] || stop "$package is not loadshed's package"
	# apt reads the file as its own user, which may not have access to every home folder.
	place=$(mktemp -d)
	trap 'rm -rf "$place"' EXIT
	chmod 755 "$place"
	install -m 644 "$package" "$place/loadshed.deb"
	apt_install --reinstall --allow-downgrades "$place/loadshed.deb" ||
		stop "not installed. The reason is shown above. An earlier version stays in place."
}

print_next_steps() {
	say ""
	say "loadshed $(dpkg-query -W -f '${Version}' loadshed) is installed."
	# Only find the module: importing it would create a FIFO in this folder.
	python3 -c 'import sys, importlib.util as util; sys.exit(util.find_spec("lgpio") is None)' ||
		say "lgpio is not installed. Without it, GPIO pins cannot be read. Run: sudo apt install python3-lgpio (not available in Debian)."
	if systemctl is-active --quiet loadshed.service 2>/dev/null; then
		say "It is running. Check the state of the house with: loadshed status"
		return
	fi
	say "It is not active yet. Next, run the guided setup:"
	say "  sudo loadshed setup"
	say "Or do the steps manually:"
	say "  edit /etc/loadshed/installer.toml and circuits.toml, then run: loadshed check"
	say "  sudo loadshed broker init    creates passwords for the broker"
	say "  sudo systemctl enable --now loadshed"
}

check_system
if [ "$#" -gt 1 ]; then
	stop "one package at most. Usage: sudo ./install.sh [FILE.deb]"
elif [ "$#" -eq 1 ]; then
	package=$1
else
	build
fi
install_package "$package"
print_next_steps
