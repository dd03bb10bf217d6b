"""Builds the .deb: one package for every Pi and every Debian from bookworm on.

    python packaging/build_deb.py [--out dist] [--version 0.1.1~test]

Run it with the Python of an environment that holds requirements-run.lock, which pip installed by hash. The libraries
are taken from there, each file checked against the sum its wheel gave for it. No root, no network, and the same bytes
each time (`SOURCE_DATE_EPOCH`, else the date of the last commit).
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from email.utils import formatdate
from importlib.metadata import Distribution, distribution
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "packaging" / "deb"
LOCK = ROOT / "requirements-run.lock"

PROGRAM = "usr/lib/loadshed"
DOC = "usr/share/doc/loadshed"

BUILT_WITH = {"setuptools"}
"""Locked, for colorzero asks for it, but only to be built: nothing imports it (tests/packaging runs without it)."""

COMPILED = {".so", ".pyd", ".dll", ".dylib", ".a", ".o", ".c", ".pyx"}
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
RUNNABLE = ("usr/bin/loadshed", f"{PROGRAM}/upgrade", "usr/share/python3/runtime.d/loadshed.rtupdate")
# Of what describes a wheel: what it is, its licence, and where its plug-ins are. The rest is about one installation.
DESCRIBES = re.compile(
    r"(METADATA|entry_points\.txt|top_level\.txt|(licenses/.*)?(LICEN[CS]E|COPYING|NOTICE|AUTHORS|e.l-v)[\w.-]*)"
)

PLACES = {
    "packaging/deb/loadshed": "usr/bin/loadshed",
    "packaging/deb/upgrade": f"{PROGRAM}/upgrade",
    "packaging/deb/loadshed.rtupdate": "usr/share/python3/runtime.d/loadshed.rtupdate",
    "packaging/deb/lintian-overrides": "usr/share/lintian/overrides/loadshed",
    "systemd/loadshed.sysusers": "usr/lib/sysusers.d/loadshed.conf",
    "systemd/loadshed.udev": "usr/lib/udev/rules.d/70-loadshed.rules",
    "docs/examples/installer.toml": "usr/share/loadshed/examples/installer.toml",
    "docs/examples/circuits.toml": "usr/share/loadshed/examples/circuits.toml",
    "README.md": f"{DOC}/README.md",
    "CHANGELOG.md": f"{DOC}/CHANGELOG.md",
}
"""Where each single file of the project goes."""


class Package(NamedTuple):
    """What is being built. `epoch`: the date of every file, in seconds since 1970."""

    version: str
    epoch: int
    stage: Path


def main() -> int:
    """Build the package; return the exit code."""
    parser = argparse.ArgumentParser(description="Build loadshed's .deb.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder it is put into (default: dist)")
    parser.add_argument("--version", help="another version than pyproject.toml's, to try an upgrade with")
    arguments = parser.parse_args()
    sys.stdout.write(f"{build(arguments.out, arguments.version)}\n")
    return 0


def build(out: Path, version: str | None = None) -> Path:
    """Return the package, built into a folder."""
    with tempfile.TemporaryDirectory(prefix="loadshed-deb-") as temporary:
        package = Package(version or _project()["project"]["version"], _epoch(), Path(temporary) / "stage")
        _put_program(package)
        _put_libraries(package)
        _put_files(package)
        _put_control(package)
        _settle(package)
        out.mkdir(parents=True, exist_ok=True)
        made = out / f"loadshed_{package.version}_all.deb"
        command = ["dpkg-deb", "--root-owner-group", "--uniform-compression", "-Zxz", "--build", package.stage, made]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(package.epoch)}
        subprocess.run([*map(str, command)], check=True, env=environment, stdout=subprocess.DEVNULL)
    return made


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _epoch() -> int:
    if (told := os.environ.get("SOURCE_DATE_EPOCH")) is not None:
        return int(told)
    if (ROOT / ".git").exists() and (git := shutil.which("git")) is not None:
        command = [git, "-C", str(ROOT), "log", "-1", "--format=%ct"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return int(asked.stdout)
    # An unpacked archive: it gives each file the date of its version.
    return int((ROOT / "CHANGELOG.md").stat().st_mtime)


# --- what travels inside ---------------------------------------------------------------------------------------------


def _put_program(package: Package) -> None:
    for path in own_files():
        _copy(path, package.stage / PROGRAM / path.relative_to(ROOT))


def own_files() -> list[Path]:
    """Return the files of our own packages, by what pyproject.toml says of them."""
    told = _project()["tool"]["setuptools"]
    found: list[Path] = []
    for name in told["packages"]:
        folder = ROOT / name.replace(".", "/")
        for pattern in ("*.py", *told["package-data"].get(name, ())):
            found += sorted(folder.glob(pattern))
    return found


def libraries() -> list[Distribution]:
    """Return the locked libraries as they are installed; raise SystemExit where one is missing or is another."""
    text = LOCK.read_text(encoding="utf-8")
    found = []
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE):
        if name in BUILT_WITH:
            continue
        library = distribution(name)
        if library.version != version:
            raise SystemExit(f"{name} {library.version} is installed, {LOCK.name} says {version}: `make deb` mends it")
        found.append(library)
    return found


def _put_libraries(package: Package) -> None:
    for library in libraries():
        for file in library.files or ():
            if not _travels(str(file)):
                continue
            content = Path(str(file.locate())).read_bytes()
            if file.hash is None or file.hash.value != _sum_of(content, file.hash.mode):
                raise SystemExit(f"{file} is not what its wheel held: remove .venv, and `make deb` again")
            target = package.stage / PROGRAM / str(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _travels(file: str) -> bool:
    if Path(file).suffix in COMPILED:
        raise SystemExit(f"{file} is compiled: one package would no longer serve every machine")
    if file.startswith("..") or "__pycache__" in file or re.search(r"(^|/)tests?/", file):
        return False
    folder, _, rest = file.partition("/")
    return DESCRIBES.fullmatch(rest) is not None if folder.endswith(".dist-info") else True


def _sum_of(content: bytes, mode: str) -> str:
    return base64.urlsafe_b64encode(hashlib.new(mode, content).digest()).rstrip(b"=").decode()


def _put_files(package: Package) -> None:
    for unit in [*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.timer")]:
        _copy(unit, package.stage / "usr/lib/systemd/system" / unit.name)
    for source, target in PLACES.items():
        _copy(ROOT / source, package.stage / target)
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").glob("*.svg")]:
        _copy(page, package.stage / DOC / page.relative_to(ROOT))
    # By this the program knows its own version: the card, the recording and a bug report say it.
    metadata = f"Metadata-Version: 2.1\nName: loadshed\nVersion: {package.version}\n"
    _write(package.stage / PROGRAM / f"loadshed-{package.version}.dist-info" / "METADATA", metadata)
    (package.stage / DOC / "examples").symlink_to("../../loadshed/examples")
    manual = Template((HERE / "loadshed.1").read_text(encoding="utf-8"))
    said = manual.substitute(version=package.version, commands=_commands_for_manual())
    _write_packed(package.stage / "usr/share/man/man1/loadshed.1.gz", said)
    _write(package.stage / DOC / "copyright", (HERE / "copyright").read_text(encoding="utf-8") + _licences())
    date = formatdate(package.epoch)
    changes = Template((HERE / "changelog").read_text(encoding="utf-8"))
    _write_packed(package.stage / DOC / "changelog.gz", changes.substitute(version=package.version, date=date))


def _commands_for_manual() -> str:
    """Return the commands as the manual page lists them, from the table that runs."""
    sys.path.insert(0, str(ROOT))
    from clients.cli.dispatcher import COMMANDS  # noqa: PLC0415 — the project is no package of this one's

    return "\n".join(
        f".TP\n.B {name}\n{command.help[0].upper()}{command.help[1:]}." for name, command in COMMANDS.items()
    )


def _licences() -> str:
    """Return what the libraries say of their licences, each in a paragraph of Debian's format."""
    told = []
    for library in libraries():
        meta = library.metadata
        name = next((meta[key] for key in ("License-Expression", "License") if key in meta), "see its licence file")
        folder = f"{meta['Name'].lower().replace('-', '_')}*"
        told.append(
            f"\nFiles: {PROGRAM}/{folder}\nCopyright: by its own licence file\nLicense: {name.splitlines()[0]}\n"
        )
    return "".join(told)


# --- dpkg's control files ---------------------------------------------------------------------------------------------


def _put_control(package: Package) -> None:
    debian = package.stage / "DEBIAN"
    control = Template((HERE / "control").read_text(encoding="utf-8"))
    files = sorted(path for path in package.stage.rglob("*") if path.is_file() and not path.is_symlink())
    size_kb = sum(-(-path.stat().st_size // 1024) for path in files)
    _write(debian / "control", control.substitute(version=package.version, size_kb=size_kb))
    sums = (
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(package.stage)}\n"
        for path in files
    )
    _write(debian / "md5sums", "".join(sums))
    for script in SCRIPTS:
        _copy(HERE / script, debian / script)
    (debian / "rehearsal.pyz").write_bytes(_rehearsal())


def _rehearsal() -> bytes:
    """Return the new program in one file, for preinst: it tries the old files before anything is replaced."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in own_files():
            _pack(archive, str(path.relative_to(ROOT)), path.read_bytes())
        _pack(
            archive, "__main__.py", b"import sys\n\nfrom clients.maintenance.upgrade import main\n\nsys.exit(main())\n"
        )
    return packed.getvalue()


def _pack(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # its date is always that of 1980


# --- files -----------------------------------------------------------------------------------------------------------


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _write_packed(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _settle(package: Package) -> None:
    """Give every file the mode and the date it has on every machine."""
    runnable = {package.stage / name for name in RUNNABLE} | {package.stage / "DEBIAN" / name for name in SCRIPTS}
    for path in [package.stage, *package.stage.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in runnable else 0o644)
        os.utime(path, (package.epoch, package.epoch), follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main())
