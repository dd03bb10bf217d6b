"""What `loadshed broker` writes: users, passwords, certificates and the controller's login; and what it refuses."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from clients.broker_admin import acl, passwords
from clients.broker_admin.acl import CONTROLLER_NAME, Role, TopicLayout, User
from clients.broker_admin.mosquitto import MosquittoConfig, with_login
from clients.cli import main
from controller.config.errors import ConfigErrors
from controller.config.loader import parse_installer
from tests.pages import ROOT

EXAMPLES = ROOT / "docs" / "examples"
HOUSE = TopicLayout("home", contact=("ats/contact", "ats/status"))

USERS = (
    User(CONTROLLER_NAME, Role.CONTROLLER),
    User("tub", Role.DEVICE, ("hot-tub",)),
    User("hub", Role.DEVICE, ("range", "dryer")),
    User("switch", Role.DEVICE, contact=True),
    User("both", Role.DEVICE, ("range",), contact=True),
    User("page", Role.INTEGRATOR),
    User("ann", Role.PERSON),
)


def test_the_controller_may_ask_the_contacts_device_which_may_read_that() -> None:
    """Other devices may neither read nor write there."""
    house = TopicLayout("home", contact=("ats/contact",), contact_query=("ats/get",))
    assert "topic write ats/get" in acl.lines(User(CONTROLLER_NAME, Role.CONTROLLER), house)
    assert "topic read ats/get" in acl.lines(User("switch", Role.DEVICE, contact=True), house)
    assert all("ats/get" not in line for line in acl.lines(User("tub", Role.DEVICE, ("hot-tub",)), house))


# --- the files -------------------------------------------------------------------------------------------------------


def test_a_password_is_what_mosquittos_own_tool_writes(tmp_path: Path) -> None:
    """Same rounds, same lengths, same alphabet: its file and ours are one."""
    theirs = tmp_path / "passwd"
    theirs.touch(mode=0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(theirs), "ann", "secret"], check=True, capture_output=True, timeout=60
    )
    said = theirs.read_text(encoding="utf-8")
    assert passwords.matches(said, "ann", "secret")
    assert not passwords.matches(said, "ann", "Secret")
    assert [len(part) for part in passwords.entry("ann", "secret").split("$")] == [
        len(p) for p in said.strip().split("$")
    ]


def test_passwords_are_long_and_never_the_same() -> None:
    """Passwords are random, and their characters are easy to tell apart."""
    many = {passwords.new_password() for _ in range(100)}
    assert len(many) == 100
    assert all(len(password) == 24 and not set(password) & set("0O1lI") for password in many)


def test_the_access_list_shows_its_users() -> None:
    """It is the only list of users: what is written there is read back."""
    text = ""
    for user in USERS:
        text = acl.with_user(text, user, HOUSE)
    assert acl.users(text) == USERS
    assert acl.users(acl.without_user(text, "hub")) == tuple(user for user in USERS if user.name != "hub")


def test_lines_of_the_owners_own_stay() -> None:
    """A broker serves other things too."""
    own = "# the doorbell\nuser doorbell\ntopic readwrite doorbell/#\n"
    text = acl.with_user(own, USERS[1], HOUSE)
    text = acl.with_user(text, User("tub", Role.DEVICE, ("range",)), HOUSE)
    assert text.startswith(own)
    assert acl.users(text) == (User("tub", Role.DEVICE, ("range",)),)
    assert acl.without_user(text, "tub") == own


@pytest.mark.parametrize("text", ['[site]\nid = "home"\n', '[site]\nid = "home"\n[broker]  # ours\nhost = "pi"\n'])
def test_the_login_stands_in_the_installers_file(text: str) -> None:
    """With its table or without it, and nothing else in it changes."""
    rest = '[contact]\nsource = "gpio"\npin = 17\n'
    new = parse_installer(with_login(rest + text, ('username = "loadshed"', 'password_file = "/etc/loadshed/p"')))
    old = parse_installer(rest + text)
    assert not isinstance(new, ConfigErrors)
    assert not isinstance(old, ConfigErrors)
    assert (new.broker.username, new.broker.password_file) == ("loadshed", "/etc/loadshed/p")
    assert (new.broker.host, new.site, new.contact) == (old.broker.host, old.site, old.contact)


# --- as typed --------------------------------------------------------------------------------------------------------


class Typed(NamedTuple):
    """Folders of a house that is set up by commands."""

    config: Path
    etc: Path

    def broker(self, *words: str) -> int:
        return main(["broker", *words, "--config", str(self.config), "--etc", str(self.etc)])


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Return a house with the example's files and an untouched broker."""
    return Typed(Path(shutil.copytree(EXAMPLES, tmp_path / "config")), tmp_path / "etc")


def test_a_house_is_set_up_by_three_commands(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """The password is shown once and stored nowhere; a second run changes no password."""
    assert typed.broker("init") == 0
    assert typed.broker("add-user", "hot-tub", "--role", "device") == 0
    shown = capsys.readouterr().out
    (password,) = (line.partition(": ")[2] for line in shown.splitlines() if line.startswith("Password: "))
    files = MosquittoConfig(typed.etc)
    assert files.check_password("hot-tub", password)
    assert password not in "".join(path.read_text() for path in typed.etc.rglob("*") if path.is_file())
    ours = (typed.config / "broker.password").read_text().strip()
    assert files.check_password(CONTROLLER_NAME, ours)
    assert typed.broker("init") == 0
    assert files.check_password(CONTROLLER_NAME, ours)
    assert files.check_password("hot-tub", password)
    assert typed.broker("list") == 0
    assert "device of hot-tub" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("first", "again", "listeners"),
    [
        (("--tls",), (), ["1883 127.0.0.1", "8883"]),
        (("--tls", "--plain"), (), ["1883", "8883"]),
        (("--tls",), ("--plain",), ["1883", "8883"]),
        (("--tls", "--plain"), ("--tls",), ["1883 127.0.0.1", "8883"]),
        (("--tls",), ("--no-tls",), ["1883"]),
        ((), ("--tls",), ["1883 127.0.0.1", "8883"]),
        ((), (), ["1883"]),
    ],
)
def test_a_second_run_keeps_the_listeners_unless_asked(
    typed: Typed, first: tuple[str, ...], again: tuple[str, ...], listeners: list[str]
) -> None:
    """Typed once more in a hurry, `init` neither shuts devices out nor lets their passwords go unencrypted."""
    assert typed.broker("init", *first) == 0
    assert typed.broker("init", *again) == 0
    assert (
        re.findall(r"^listener (.*)$", MosquittoConfig(typed.etc).configuration.read_text(), re.MULTILINE) == listeners
    )


def test_a_certificate_that_stays_is_not_said_to_be_for_new_names(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every device supports it; another port needs an option that the output names."""
    assert typed.broker("init", "--tls", "--name", "pi.lan") == 0
    assert "New certificate for pi.lan." in capsys.readouterr().out
    assert typed.broker("init", "--tls", "--name", "other.lan") == 0
    said = capsys.readouterr().out
    assert "other.lan" not in said
    assert f"remove {MosquittoConfig(typed.etc).authority}" in said


def test_a_contact_that_comes_to_the_bus_later_is_heard_by_who_was_let_in_before(typed: Typed) -> None:
    """The controller above all: otherwise it could not receive a transfer."""
    assert typed.broker("init") == 0
    installer = typed.config / "installer.toml"
    wired = re.search(r"^source = .*\npin = .*$", installer.read_text(), re.MULTILINE)
    assert wired is not None
    on_bus = 'source = "mqtt"\ntopic = "ats/contact"'
    installer.write_text(installer.read_text().replace(wired[0], on_bus))
    assert typed.broker("add-user", "ats", "--role", "device", "--contact") == 0
    _, _, controllers = (typed.etc / "loadshed" / "acl").read_text().partition(f"user {CONTROLLER_NAME}\n")
    assert "topic read ats/contact" in controllers.partition("\n\n")[0]


def test_files_of_other_editors_and_a_link_are_read_and_kept(typed: Typed) -> None:
    """The password file is from Notepad, installer.toml is linked, and a comment of the broker is in Latin-1."""
    (typed.config / "broker.password").write_bytes("s\u00e9cret\r\n".encode("utf-16"))
    target = typed.config.parent / "repository.toml"
    (typed.config / "installer.toml").rename(target)
    (typed.config / "installer.toml").symlink_to(target)
    (typed.etc / "conf.d").mkdir(parents=True)
    (typed.etc / "conf.d" / "other.conf").write_bytes(b"# k\xfchl\n")
    assert typed.broker("init") == 0
    assert MosquittoConfig(typed.etc).check_password(CONTROLLER_NAME, "s\u00e9cret")
    assert (typed.config / "installer.toml").is_symlink()
    assert "password_file" in target.read_text()


def test_an_installer_file_that_is_not_text_is_refused_with_a_sentence(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every other command does."""
    (typed.config / "installer.toml").write_bytes("[site]\r\n".encode("utf-16"))
    assert typed.broker("init") == 78
    assert "`loadshed check` shows them" in capsys.readouterr().err


def test_secrets_are_nobodys_to_read(typed: Typed, tmp_path: Path) -> None:
    """Neither the broker's key nor a password file is open to other users of the machine."""
    assert typed.broker("init", "--tls", "--name", "pi.lan") == 0
    target = tmp_path / "given" / "ann"
    assert typed.broker("add-user", "ann", "--role", "person", "--password-file", str(target)) == 0
    secret = [target, typed.config / "broker.password"]
    secret += [typed.etc / "loadshed" / name for name in ("passwd", "acl", "broker.key")]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in secret)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert MosquittoConfig(typed.etc).check_password("ann", target.read_text().strip())
    assert not list(typed.etc.rglob("ca.key")), "the authority signs nothing more"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("add-user", "tub", "--role", "device"), "no circuit 'tub'"),
        (("add-user", "a b", "--role", "person"), "not a valid user name"),
        (("add-user", "a:b", "--role", "person"), "not a valid user name"),
        (("add-user", "loadshed", "--role", "person"), "not a valid user name"),
        (("add-user", "ann", "--role", "person", "--circuit", "hot-tub"), "require --role device"),
        (("add-user", "x", "--role", "device", "--contact"), "wired to a GPIO pin"),
        (("remove-user", "bob"), "no user 'bob'"),
        (("remove-user", "loadshed"), "no circuit can be shed"),
        (("init", "--plain"), "require --tls"),
        (("init", "--tls", "--name", "a,DNS:b"), "not a host name or IP address"),
    ],
)
def test_what_makes_no_sense_is_refused(
    typed: Typed, words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, and nothing written."""
    typed.broker("init")
    before = {path: path.read_bytes() for path in typed.etc.rglob("*") if path.is_file()}
    assert typed.broker(*words) == 1
    assert reason in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in typed.etc.rglob("*") if path.is_file()}


def test_an_existing_user_is_not_replaced_by_accident(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """A working device continues to work; a new password needs --replace."""
    typed.broker("init")
    assert typed.broker("add-user", "ann", "--role", "person") == 0
    assert typed.broker("add-user", "ann", "--role", "integrator") == 1
    assert "--replace" in capsys.readouterr().err
    assert typed.broker("add-user", "ann", "--role", "integrator", "--replace") == 0
    assert MosquittoConfig(typed.etc).users()[-1] == User("ann", Role.INTEGRATOR)


def test_a_broker_configured_by_other_means_is_left_alone(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """Two who say who may come in would open a door that each believes shut."""
    (typed.etc / "conf.d").mkdir(parents=True)
    (typed.etc / "conf.d" / "mine.conf").write_text("persistence true\nlistener 1883\nallow_anonymous true\n")
    assert typed.broker("init") == 1
    said = capsys.readouterr().err
    assert "mine.conf: listener" in said
    assert "mine.conf: allow_anonymous" in said
    assert not (typed.etc / "loadshed").exists()


def test_a_broker_that_would_not_read_it_is_said_so(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules that Mosquitto does not read would give false security."""
    typed.etc.mkdir()
    main_file = typed.etc / "mosquitto.conf"
    main_file.write_text("persistence true\n", encoding="utf-8")
    assert typed.broker("init") == 1
    assert "include_dir" in capsys.readouterr().err
    main_file.write_text(f"persistence true\ninclude_dir {typed.etc}/conf.d\n", encoding="utf-8")
    assert typed.broker("init") == 0


def test_a_renamed_house_updates_every_user(typed: Typed) -> None:
    """The topics change with `[site] id`; names, passwords and roles do not."""
    typed.broker("init")
    typed.broker("add-user", "hot-tub", "--role", "device")
    files, installer = MosquittoConfig(typed.etc), typed.config / "installer.toml"
    before = files.users(), (typed.etc / "loadshed" / "passwd").read_text().splitlines()[1:]
    installer.write_text(installer.read_text().replace('id = "home"', 'id = "cabin"'), encoding="utf-8")
    assert typed.broker("init") == 0
    text = (typed.etc / "loadshed" / "acl").read_text()
    assert "loadshed/home/" not in text
    assert "topic write loadshed/cabin/breakers/hot-tub/state" in text
    assert files.users() == before[0]
    assert set(before[1]) <= set((typed.etc / "loadshed" / "passwd").read_text().splitlines())


def test_without_a_configured_broker_no_user_is_added(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said what comes first."""
    assert typed.broker("add-user", "ann", "--role", "person") == 1
    assert "loadshed broker init" in capsys.readouterr().err
