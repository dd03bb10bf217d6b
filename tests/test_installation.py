"""What is installed fits the program: the unit, its user, the locked versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clients.cli import dispatcher
from clients.terminal import arguments as arguments_module
from clients.terminal.exit_codes import NOT_DONE, NOT_READY
from controller.core.system_alarms import CLOCK_IN_OUTAGE_AFTER_S
from controller.daemon import WATCHDOG_S, WRONG_CONFIGURATION
from controller.runtime import clock, startup
from controller.runtime.engine_loop import HEARTBEAT_S

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "loadshed.service"


def unit(key: str) -> list[str]:
    """Return all that the unit says under a key, in order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def one(key: str) -> str:
    """Return the one thing the unit says under a key."""
    (value,) = unit(key)
    return value


def test_the_unit_starts_the_daemon_as_the_program_understands_it() -> None:
    """The program's own defaults, written out; the folders are those that systemd makes."""
    program, *words = one("ExecStart").split()
    arguments = dispatcher.build_parser(words).parse_args(words)
    assert arguments.config == arguments_module.CONFIG_DIR == Path("/etc") / one("ConfigurationDirectory")
    assert arguments.state == arguments_module.STATE_DIR == Path("/var/lib") / one("StateDirectory")
    assert one("Environment") == f"LG_WD=%t/{one('RuntimeDirectory')}"
    assert program == "/usr/bin/loadshed", "where the package puts it"


def test_the_unit_never_gives_up_but_for_wrong_files() -> None:
    """A house without power has no other."""
    assert one("Restart") == "always"
    assert one("StartLimitIntervalSec") == "0"
    assert one("RestartPreventExitStatus") == str(WRONG_CONFIGURATION)


def test_the_watchdog_is_fed_in_time() -> None:
    """Several times over, for a Pi stalls now and then; and what hangs is another program 15 s after its last word."""
    assert one("Type") == "notify"
    assert float(one("WatchdogSec")) >= 3 * (WATCHDOG_S + HEARTBEAT_S)
    assert sum(float(one(key)) for key in ("WatchdogSec", "TimeoutAbortSec", "RestartSec")) < 15


def test_the_clock_has_a_witness_where_the_controller_may_not_ask() -> None:
    """The unit that may touches the file that the program looks for; its timer is enabled with the controller's."""
    assert one("ProtectClock") == "yes"
    timer = UNIT.parent / one("Also").split()[0]
    text = timer.with_suffix(".service").read_text(encoding="utf-8")
    (folder,) = re.findall(r"^RuntimeDirectory=(.*)$", text, re.MULTILINE)
    (file,) = re.findall(r'touch "\$RUNTIME_DIRECTORY/(\w+)"', text)
    assert Path("/run") / folder / file in clock.SYNCHRONIZED
    assert f"WantedBy={UNIT.name}\n" in timer.read_text(encoding="utf-8")


def test_nothing_starts_beside_the_controller_but_its_broker() -> None:
    """On one core, anything that starts at the same time delays the first OFF."""
    beside = {path.name for path in UNIT.parent.iterdir() if f"WantedBy={UNIT.name}\n" in path.read_text("utf-8")}
    assert beside == {"loadshed-broker.service", "loadshed-clock.timer"} == {*one("Also").split()}
    (delay,) = re.findall(
        r"^OnActiveSec=(\d+)s$", (UNIT.parent / "loadshed-clock.timer").read_text("utf-8"), re.MULTILINE
    )
    assert 20 <= int(delay) <= CLOCK_IN_OUTAGE_AFTER_S / 2, "before the clock is called untrusted"


def test_nothing_is_waited_for() -> None:
    """Neither the network nor the broker: the contact can be read without either."""
    assert not [*unit("After"), *unit("Requires"), *unit("Wants"), *unit("BindsTo")]


def test_the_password_comes_under_the_name_the_program_looks_for() -> None:
    """The line is there to be uncommented."""
    (credential,) = unit("#LoadCredential")
    assert credential.startswith(f"{startup.CREDENTIAL}:/etc/loadshed/")


def test_the_broker_waits_for_the_network_no_more_than_the_controller() -> None:
    """Mosquitto's own unit does, on trixie; it is started past that, if it is this house's broker at all."""
    (name,) = (name for name in one("Also").split() if "broker" in name)
    text = (UNIT.parent / name).read_text(encoding="utf-8")
    assert "--job-mode=ignore-dependencies mosquitto.service\n" in text
    assert "ExecCondition=/usr/bin/systemctl is-enabled --quiet mosquitto.service\n" in text
    assert f"WantedBy={UNIT.name}\n" in text
    assert "After=" not in text


def test_readiness_may_look_at_the_networks_it_is_in() -> None:
    """It knocks at its own broker from each of them, and asks the kernel which there are."""
    text = (UNIT.parent / "loadshed-ready.service").read_text(encoding="utf-8")
    (families,) = re.findall(r"^RestrictAddressFamilies=(.*)$", text, re.MULTILINE)
    assert "AF_NETLINK" in families.split()


def test_a_house_that_is_not_ready_is_no_failed_unit_and_a_crash_is_one() -> None:
    """Python ends with 1 if a program breaks: as a success, it would go unnoticed."""
    text = (UNIT.parent / "loadshed-ready.service").read_text(encoding="utf-8")
    assert re.findall(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE) == [str(NOT_READY)]
    assert NOT_READY != NOT_DONE == 1


def test_the_user_and_its_groups_are_made() -> None:
    """Its groups come with the user: a unit that named one would not start where that is missing."""
    made = (ROOT / "systemd" / "loadshed.sysusers").read_text(encoding="utf-8")
    assert f"u {one('User')} " in made
    assert not unit("SupplementaryGroups")
    for group in ("gpio", "dialout"):
        assert f"m {one('User')} {group}\n" in made


def test_the_unit_leaves_an_attacker_little() -> None:
    """By systemd's own figure, 0 to 10; what is left is the pins, the serial lines and the network.

    A serial driver may come after the unit, and then its name is not known yet: they are allowed by number.
    """
    usb, acm, ama, on_board = 188, 166, 204, 4
    assert set(unit("DeviceAllow")) == {f"char-{kind} rw" for kind in ("gpiochip", usb, acm, ama, on_board)}
    assert one("DevicePolicy") == "closed"
    if (systemd := shutil.which("systemd-analyze")) is not None:
        command = [systemd, "security", "--offline=yes", "--no-pager", "--threshold=15", str(UNIT)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    "path",
    sorted(path for path in UNIT.parent.iterdir() if path.suffix in (".service", ".timer")),
    ids=lambda path: path.name,
)
def test_systemd_understands_each_unit(path: Path, tmp_path: Path) -> None:
    """Every line is a key of a section; where systemd is at hand, it is asked about each."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"\[(Unit|Service|Timer|Install)\]|[A-Z][A-Za-z]+=.*", line) for line in lines)
    if (systemd := shutil.which("systemd-analyze")) is not None:
        copy = tmp_path / path.name
        copy.write_text("\n".join(lines).replace("/usr/bin/loadshed ", "/bin/true "), encoding="utf-8")
        command = [systemd, "verify", "--man=no", str(copy)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")


def locked(name: str) -> dict[str, str]:
    """Return version by package of a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text, "a lock file names no server"
    entries = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    "lock", ["requirements-run.lock", "requirements-demo.lock", "requirements-docs.lock", "requirements.lock"]
)
def test_an_extra_that_a_package_asks_for_stands_on_its_pin(lock: str) -> None:
    """Where only `coverage` is pinned, bookworm's pip takes a newer release for `coverage[toml]`, and refuses it."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    for package in locked(lock):
        try:
            wanted = [Requirement(line) for line in requires(package) or ()]
        except PackageNotFoundError:
            continue  # another system's
        for one in wanted:
            if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""})):
                assert re.search(rf"^{one.name}\[[\w,-]+\]==", text, re.MULTILINE | re.IGNORECASE), f"{package}: {one}"


def test_what_is_installed_for_the_demo_is_what_is_tested() -> None:
    """Every version of the smaller lock stands in the larger, and all that the package needs in the smaller."""
    packed, small, large = (locked(f"requirements{which}.lock") for which in ("-run", "-demo", ""))
    assert packed.items() <= small.items() <= large.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]} <= packed.keys()
    needed = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"] + extras["demo"]}
    assert needed <= small.keys()
    assert {re.split(r"[<>=]", requirement)[0] for requirement in extras["dev"]} <= large.keys()
    assert "setuptools" in small, "our own package is built without asking the network for it"


def test_what_is_to_be_run_may_be_run() -> None:
    """Git keeps the bit."""
    scripts = (".ci/run", "packaging/deb/loadshed", "packaging/deb/postinst")
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
