"""The virtual Pi's disk: Debian bookworm with its own kernel, a broker, the simulated pins, and no loadshed yet.

Built without a boot and without a network in it. What costs minutes is kept, and made anew where it was made from
something else.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from clients.broker_admin.mosquitto import PORT
from tests.appliance import gpio_sim
from tests.appliance.shell import GUEST, ROOT, CannotError, done, folder, in_root, is_done, run, say

_SUITE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "kmod", "procps", "initramfs-tools", "linux-image-amd64"),
    # It keeps the clock of every Raspberry Pi OS. Without it loadshed-clock.service would start timedated each 30 s.
    "systemd-timesyncd",
    *("python3", "mosquitto", "mosquitto-clients"),
)
# Raspberry Pi OS has python3-lgpio. Debian has not, and PyPI has it compiled for bookworm's Python.
_LGPIO = "lgpio==0.2.2.0 --hash=sha256:e9f4f3915abe5ae0ffdb4b96f485076d80a663876d839e2d3fd9218a71b9873e"
_UNITS = ("gpio-wires.service", "proc-cpuinfo.mount", "appliance-agent.service", "systemd-networkd.service")
# What neither loadshed nor anything it needs waits for: housekeeping, and logins. An emulator pays for each of them.
_MASKED = (
    *("e2scrub_reap.service", "e2scrub_all.timer", "fstrim.timer", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("dpkg-db-backup.timer", "systemd-tmpfiles-clean.timer", "systemd-pstore.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-logind.service", "getty@tty1.service", "serial-getty@ttyS0.service", "serial-getty@hvc0.service"),
    *(f"modprobe@{module}.service" for module in ("drm", "dm_mod", "efi_pstore", "fuse", "loop")),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount"),
)
_SIZE = "3G"
_XZ = b"\xfd7zXZ\x00"

OPEN_PORT = 1884
"""Port on which the test's broker accepts every client."""


@dataclass(frozen=True, slots=True)
class Image:
    """A disk and what the emulator boots it with. `disk`: qcow2, never written to again.

    `logins`: of a Pi that was commissioned, where the passwords of those outside lie: its broker knows everybody by
    name, and its meter hangs on a USB adapter. None: everybody may come in, and the meter hangs on the board's line.
    """

    disk: Path
    kernel: Path
    initrd: Path
    logins: Path | None = None

    @property
    def broker_port(self) -> int:
        """Return where its broker listens to those outside."""
        return OPEN_PORT if self.logins is None else PORT


def build() -> Image:
    """Return the disk, built if it does not exist yet. Raises CannotError."""
    image = Image(folder() / "debian.qcow2", folder() / "vmlinux", folder() / "initrd.img")
    made_from = (*_PACKAGES, _LGPIO, *_MASKED, *_guest_files())
    stamp = folder() / "debian.stamp"
    if is_done(stamp, made_from):
        return image
    base = _base()
    kernel = _kernel(base)
    module = _module(base, kernel)
    say("laying out the virtual Pi's disk")
    root = folder() / "root"
    _clear(root)
    run("cp", "-a", base, root)
    _furnish(root, kernel, module)
    image.kernel.write_bytes(_unpacked((root / "boot" / f"vmlinuz-{kernel}").read_bytes()))
    shutil.copy(root / "boot" / f"initrd.img-{kernel}", image.initrd)
    _pack(root, image.disk)
    _clear(root)
    done(stamp, made_from)
    return image


def _base() -> Path:
    base = folder() / "base"
    stamp = folder() / "base.stamp"
    if not is_done(stamp, _PACKAGES):
        say("fetching Debian (some minutes, once)")
        _clear(base)
        run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, base, _MIRROR)
        done(stamp, _PACKAGES)
    return base


def _kernel(root: Path) -> str:
    kernels = [path.name for path in (root / "lib/modules").iterdir()]
    if len(kernels) != 1:
        raise CannotError(f"one kernel was expected in {root}, not {kernels}: remove {folder()} and begin anew")
    return kernels[0]


def _module(base: Path, kernel: str) -> Path:
    module, stamp = folder() / "gpio-sim.ko", folder() / "gpio-sim.stamp"
    made_from = (kernel, Path(gpio_sim.__file__).read_text(encoding="utf-8"))
    if not is_done(stamp, made_from):
        say("building the kernel's simulated GPIO chip")
        twin = folder() / "twin"
        shutil.copy(gpio_sim.build(base, twin, kernel), module)
        _clear(twin)
        done(stamp, made_from)
    return module


def _furnish(root: Path, kernel: str, module: Path) -> None:
    run("cp", "-a", "--no-preserve=ownership", f"{GUEST}/.", root)
    extra = root / "lib/modules" / kernel / "extra"
    extra.mkdir()
    shutil.copy(module, extra)
    for wheel in _lgpio():
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(root / "usr/lib/python3/dist-packages")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    in_root(root, "depmod", kernel)
    in_root(root, "systemd-sysusers")
    in_root(root, "systemctl", "enable", *_UNITS)
    in_root(root, "systemctl", "mask", *_MASKED)
    in_root(root, "update-initramfs", "-u", "-k", kernel)
    in_root(root, "apt-get", "clean")


def _lgpio() -> list[Path]:
    wheels = folder() / "wheels"
    wheels.mkdir(exist_ok=True)
    wanted = wheels / "lgpio.txt"
    wanted.write_text(_LGPIO + "\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes")
    target = ("--python-version=3.11", "--platform=manylinux_2_34_x86_64", "--dest", wheels)
    run(*pip, *target, "-r", wanted)
    return list(wheels.glob("lgpio-*.whl"))


def _unpacked(kernel: bytes) -> bytes:
    """Return a kernel without what unpacks it: seconds of each boot, where the processor is emulated."""
    begins = kernel.find(_XZ)
    if begins < 0:
        raise CannotError("Debian packs its kernel in another way by now: tests/appliance/image.py knows xz")
    return lzma.LZMADecompressor().decompress(kernel[begins:])


def _pack(root: Path, disk: Path) -> None:
    raw = disk.with_suffix(".raw")
    raw.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-d", root, raw, _SIZE)
    run("qemu-img", "convert", "-O", "qcow2", raw, disk)
    raw.unlink()


def _guest_files() -> list[str]:
    files = (path for path in sorted(GUEST.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return [f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]


def _clear(root: Path) -> None:
    if root.exists():
        shutil.rmtree(root)
