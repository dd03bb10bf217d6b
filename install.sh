#!/bin/sh
# Installs loadshed on Raspberry Pi OS or Debian (bookworm, trixie), or upgrades it:
#
#   sudo ./install.sh                 builds the package from this folder, and installs it
#   sudo ./install.sh FILE.deb        installs that one
#
# Does the same when called again. Starts nothing that is not running: what it says at the end comes next.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
OLDEST_PYTHON="3.11"

say() { printf '%s\n' "$*"; }

stop() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

look_around() {
	[ "$(id -u)" -eq 0 ] || stop "only root may install: sudo ./install.sh"
	for tool in apt-get dpkg-deb; do
		command -v "$tool" >/dev/null || stop "no $tool here: this is for Raspberry Pi OS and Debian"
	done
	[ -d /run/systemd/system ] || say "There is no systemd running here: everything is installed, but nothing can be started."
}

# Only what is missing: whoever has no network, but all of it, gets by.
apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@" && return 0
	say "Once more, with the lists of packages as they are today."
	apt-get update -q || stop "apt cannot reach its servers: is this machine on the internet? After that: sudo ./install.sh"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@"
}

needs() {
	missing=
	command -v python3 >/dev/null || missing="$missing python3"
	command -v make >/dev/null || missing="$missing make"
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
	# shellcheck disable=SC2086  # several words
	[ -z "$missing" ] || apt_install $missing || stop "apt cannot install$missing: its reason stands above"
	python3 -c "import sys; sys.exit(sys.version_info < ($(echo $OLDEST_PYTHON | tr . ,)))" ||
		stop "this Python is older than $OLDEST_PYTHON: loadshed needs Raspberry Pi OS or Debian from bookworm (2023) on"
}

# As whoever called sudo, so that no file of root's is left in their folder.
as_owner() {
	owner=$(stat -c %U "$HERE")
	if [ "$owner" = root ] || [ "$owner" = UNKNOWN ]; then "$@"; else runuser -u "$owner" -- "$@"; fi
}

build() {
	[ -f "$HERE/packaging/build_deb.py" ] || stop "$HERE holds no loadshed to build: run it in the project's folder, or give it a .deb"
	needs
	say "Building the package; the libraries it brings are fetched once, each by its hash."
	as_owner make -s -C "$HERE" deb >/dev/null ||
		stop "the package could not be built: the reason stands above. Is this machine on the internet?"
	# shellcheck disable=SC2012  # our own names
	package=$(ls -t "$HERE"/dist/loadshed_*_all.deb | head -n 1)
}

install_package() {
	case "$1" in /*) package=$1 ;; *) package=$(pwd)/$1 ;; esac
	[ -f "$package" ] || stop "there is no $package"
	[ "$(dpkg-deb -f "$package" Package 2>/dev/null)" = loadshed ] || stop "$package is not loadshed's package"
	# apt reads as a user of its own, who may not look into every home.
	place=$(mktemp -d)
	trap 'rm -rf "$place"' EXIT
	chmod 755 "$place"
	install -m 644 "$package" "$place/loadshed.deb"
	apt_install --reinstall --allow-downgrades "$place/loadshed.deb" ||
		stop "not installed: the reason stands above, and what was there before is still there"
}

tell_next() {
	say ""
	say "loadshed $(dpkg-query -W -f '${Version}' loadshed) is installed."
	# Found, not imported: it would leave a FIFO in this folder.
	python3 -c 'import sys, importlib.util as util; sys.exit(util.find_spec("lgpio") is None)' || say "lgpio is not: without it no pin can be read (sudo apt install python3-lgpio; not in Debian)."
	if systemctl is-active --quiet loadshed.service 2>/dev/null; then
		say "It is running, and the house protected as before. See: loadshed status"
		return
	fi
	say "It does nothing yet. Next:"
	say "  sudo loadshed setup          a guided way through all of it; or by hand:"
	say "  edit /etc/loadshed/installer.toml and circuits.toml, then: loadshed check"
	say "  sudo loadshed broker init    passwords for the house's broker"
	say "  sudo systemctl enable --now loadshed"
}

look_around
if [ "$#" -gt 1 ]; then
	stop "one package at most: sudo ./install.sh [FILE.deb]"
elif [ "$#" -eq 1 ]; then
	package=$1
else
	build
fi
install_package "$package"
tell_next
