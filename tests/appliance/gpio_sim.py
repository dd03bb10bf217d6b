"""The kernel's own simulated GPIO chip, which Debian's kernel leaves out: built from Debian's source of that kernel.

Three changes are needed outside the kernel's tree, and one for us:
- `irq_sim` is left out as well, so it goes into the same module;
- it calls `irq_to_desc`, which modules may not; `generic_handle_irq` does the same for them;
- a requested bias would overwrite the level on the wire. A wire to ground is low whatever pulls up, so the bias is
  accepted and changes nothing: `pull` in sysfs is the wire, "pull-up" one that is open.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.appliance.shell import in_root, run

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("linux-headers-amd64", "linux-source-6.1", "make", "xz-utils")
_SOURCE = "usr/src/gpio-sim"
_TREE = "linux-source-6.1"
_FILES = ("drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "kernel/irq/irq_sim.c")
_KBUILD = "obj-m := gpio-sim.o\ngpio-sim-y := wires.o irq_sim.o\nccflags-y := -Wno-unused-variable\n"


def build(base: Path, twin: Path, kernel: str) -> Path:
    """Return the module for this kernel, built in a twin of the base so that no compiler gets into the Pi."""
    if twin.exists():
        shutil.rmtree(twin)
    run("cp", "-a", base, twin)
    shutil.copy("/etc/resolv.conf", twin / "etc/resolv.conf")
    in_root(twin, "apt-get", "update", "-qq")
    in_root(twin, "apt-get", "install", "-qq", "-y", "--no-install-recommends", *_PACKAGES)
    source = twin / _SOURCE
    source.mkdir()
    names = [f"{_TREE}/{name}" for name in _FILES]
    run("tar", "-xJf", twin / "usr/src" / f"{_TREE}.tar.xz", "-C", source, "--strip-components=3", *names)
    _change(source)
    in_root(twin, "make", "-s", "-C", f"/usr/src/linux-headers-{kernel}", f"M=/{_SOURCE}", "modules")
    return source / "gpio-sim.ko"


def _change(source: Path) -> None:
    (source / "gpio-sim.c").rename(source / "wires.c")
    run("sed", "-i", r"s/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/", source / "irq_sim.c")
    run("sed", "-i", "-E", r"s/return gpio_sim_apply_pull\(chip, offset, [01]\);/return 0;/", source / "wires.c")
    (source / "Kbuild").write_text(_KBUILD, encoding="utf-8")
