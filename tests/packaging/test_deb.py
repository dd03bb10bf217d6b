"""The package: built here as `make deb` builds it, and looked into."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from clients.cli import dispatcher
from tests.pages import ROOT

EPOCH = "1767225600"

pytestmark = [
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb here"),
    pytest.mark.timeout(300),  # a package is built, and a demo played from it
]

MOST_BYTES = 10_000_000
MOST_INSTALLED_BYTES = 40_000_000

OURS = ("/usr/lib/loadshed/", "/usr/share/loadshed/", "/usr/share/doc/loadshed/")
# Where the system looks for such files; each has one, called after us.
CONVENTIONAL = {
    "/usr/bin/loadshed",
    *(
        f"/usr/lib/systemd/system/{path.name}"
        for path in (ROOT / "systemd").iterdir()
        if path.suffix in {".service", ".timer"}
    ),
    "/usr/lib/sysusers.d/loadshed.conf",
    "/usr/lib/udev/rules.d/70-loadshed.rules",
    "/usr/share/man/man1/loadshed.1.gz",
    "/usr/share/lintian/overrides/loadshed",
    "/usr/share/python3/runtime.d/loadshed.rtupdate",
}


class Deb(NamedTuple):
    """The package, and what is in it."""

    file: Path
    tree: Path
    control: Path

    def files(self) -> set[str]:
        """Return all that it puts on the disk, folders apart."""
        return {
            f"/{path.relative_to(self.tree)}" for path in self.tree.rglob("*") if path.is_symlink() or path.is_file()
        }

    def run(
        self, *words: str, python: str = sys.executable, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with the package's own tree and the standard library, and nothing else in reach."""
        library = self.tree / "usr/lib/loadshed"
        start = f"import sys; sys.path.insert(0, {str(library)!r}); sys.dont_write_bytecode = True; "
        return subprocess.run(
            [python, "-I", "-S", "-c", start + words[0], *words[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=120,
        )


def build(out: Path) -> Path:
    """Return the package, built into a folder."""
    command = [sys.executable, "packaging/build_deb.py", "--out", str(out)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return Path(ran.stdout.strip())


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Deb:
    """Return the package, built and taken apart."""
    folder = tmp_path_factory.mktemp("deb")
    file = build(folder)
    subprocess.run(["dpkg-deb", "-R", str(file), str(folder / "tree")], check=True, timeout=60)
    (folder / "tree" / "DEBIAN").rename(folder / "control")
    return Deb(file, folder / "tree", folder / "control")


def test_it_is_small(deb: Deb) -> None:
    """A card is small, and a Pi's network may be a telephone."""
    installed = sum(path.stat().st_size for path in deb.tree.rglob("*") if path.is_file())
    assert deb.file.stat().st_size <= MOST_BYTES
    # Compiled, Python takes about as much again.
    assert 2.2 * installed <= MOST_INSTALLED_BYTES


def test_it_installs_nothing_in_unexpected_places(deb: Deb) -> None:
    """Its own folders, and the conventional places; no configuration, for that is the owner's."""
    assert {file for file in deb.files() if not file.startswith(OURS)} == CONVENTIONAL
    assert not (deb.control / "conffiles").exists()


def test_one_package_serves_every_machine_and_python(deb: Deb) -> None:
    """Nothing compiled, for a processor or for a version of Python, and no path that names one."""
    fields = (deb.control / "control").read_text(encoding="utf-8")
    assert "\nArchitecture: all\n" in fields
    for path in deb.tree.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            assert not path.read_bytes().startswith((b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")), path
            assert path.suffix not in {".so", ".pyc", ".pyd"}, path
    assert not [file for file in deb.files() if re.search(r"python3\.\d|cpython|__pycache__", file)]


def test_the_same_sources_make_the_same_bytes(deb: Deb, tmp_path: Path) -> None:
    """A second build can be compared."""
    assert build(tmp_path).read_bytes() == deb.file.read_bytes()


def test_it_brings_all_that_it_needs(deb: Deb) -> None:
    """Every module of ours can be imported with nothing but the package and the standard library; lgpio apart.

    The demo is apart too: it shows a broker that is no part of a house's.
    """
    names = [
        file.removeprefix("/usr/lib/loadshed/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for file in deb.files()
        if re.match(r"/usr/lib/loadshed/(rules|hw|controller)/.*\.py", file)
    ]
    wanted = sorted(name for name in names if not name.startswith("clients.demo.terminal_screen"))
    assert len(wanted) > 100
    ran = deb.run(f"import importlib; [importlib.import_module(name) for name in {wanted!r}]")
    assert (ran.returncode, ran.stderr) == (0, "")
    dear = "import pygal, pymodbus.client, serial, gpiozero, transitions, paho.mqtt.client, prometheus_client"
    ran = deb.run(dear)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_program_knows_its_own_version(deb: Deb) -> None:
    """A card on a panel's door says it for ten years."""
    ran = deb.run("from controller.version import version; print(version())")
    assert ran.stdout == f"{deb.file.name.split('_')[1]}\n"


def test_the_demo_plays_with_what_an_installed_house_has(deb: Deb, tmp_path: Path) -> None:
    """Its own Mosquitto, beside the house's, in the place of the broker that a checkout embeds."""
    start = "from clients.__main__ import main; sys.exit(main(sys.argv[1:]))"
    ran = deb.run(start, "demo", "--short", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "how it ended" in ran.stdout
    assert ran.stdout.count("restored") >= 5


def test_check_accepts_the_example_it_gives(deb: Deb) -> None:
    """What a fresh installation finds in /etc/loadshed is right."""
    examples = deb.tree / "usr/share/loadshed/examples"
    start = "from clients.__main__ import main; sys.exit(main(sys.argv[1:]))"
    ran = deb.run(start, "check", "--config", str(examples))
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_page_has_its_pictures(deb: Deb) -> None:
    """The wiring is a drawing first; on the Pi too."""
    doc = deb.tree / "usr/share/doc/loadshed"
    shown = [
        (page, picture)
        for page in doc.rglob("*.md")
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert shown
    assert [(page, picture) for page, picture in shown if not (page.parent / picture).is_file()] == []


def test_the_rehearsal_needs_nothing_but_itself(deb: Deb, tmp_path: Path) -> None:
    """It runs before the new libraries are there."""
    examples = deb.tree / "usr/share/loadshed/examples"
    (tmp_path / "state").mkdir()
    command = [sys.executable, "-I", "-S", str(deb.control / "rehearsal.pyz"), "rehearse"]
    command += ["--config", str(examples), "--state", str(tmp_path / "state")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_scripts_are_shell_that_stops_at_the_first_failure(deb: Deb) -> None:
    """And every one that dpkg calls is there, and may be run."""
    for name in ("preinst", "postinst", "prerm", "postrm"):
        script = deb.control / name
        assert os.access(script, os.X_OK)
        assert "\nset -e\n" in script.read_text(encoding="utf-8")
        assert subprocess.run(["sh", "-n", str(script)], check=False, timeout=60).returncode == 0


def test_installing_enables_and_starts_nothing(deb: Deb) -> None:
    """A fresh installation calls no `start` and no `enable`; only a running service is restarted."""
    said = "".join((deb.control / name).read_text(encoding="utf-8") for name in ("preinst", "postinst"))
    assert not re.search(r"(systemctl|deb-systemd-\w+)[^\n]*\s(enable|start|preset)\b", said)
    assert said.index("is-active --quiet loadshed.service || return 0") < said.index("deb-systemd-invoke restart")


def test_the_manual_page_names_every_command(deb: Deb) -> None:
    """It is made from the table that runs."""
    page = subprocess.run(
        ["gzip", "-cd", str(deb.tree / "usr/share/man/man1/loadshed.1.gz")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert re.findall(r"^\.B ([a-z-]+)\n[A-Z]", page, re.MULTILINE) == [*dispatcher.COMMANDS]


def test_debians_own_critic_finds_nothing(deb: Deb) -> None:
    """If there is one."""
    if (lintian := shutil.which("lintian")) is not None:
        ran = subprocess.run(
            [lintian, "--fail-on", "error,warning", str(deb.file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none.deb",), "there is no"),
        (("README.md",), "is not loadshed's package"),
        (("a", "b"), "one package at most"),
    ],
)
def test_the_installer_says_what_is_wrong(words: tuple[str, ...], says: str) -> None:
    """And does nothing: each of these ends before apt is called."""
    ran = subprocess.run(
        ["sh", str(ROOT / "install.sh"), *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert says in ran.stderr or "only root may install" in ran.stderr
