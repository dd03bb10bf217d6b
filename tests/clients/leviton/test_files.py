"""leviton.toml and the stored login."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clients.leviton.login_file import LoginError, load_login, parse_login, save_login
from clients.leviton.settings import API, SOCKET, LevitonSettings, parse_settings, read_settings
from controller.config.errors import ConfigErrors
from hw.broker_socket import Broker

ANSWER: dict[str, object] = {
    "id": "secret-token",
    "ttl": 5_184_000,
    "created": "2026-12-01T10:00:00.000Z",
    "userId": "person-1",
}


def errors(text: str) -> list[str]:
    """Return what is wrong with a file."""
    parsed = parse_settings(text)
    assert isinstance(parsed, ConfigErrors)
    return list(parsed.sentences)


def test_without_the_file_the_cloud_is_levitons(tmp_path: Path) -> None:
    """Few owners need to write one."""
    settings = read_settings(tmp_path)
    assert isinstance(settings, LevitonSettings)
    assert (settings.cloud.api, settings.cloud.socket) == (API, SOCKET)
    assert settings.login_file(Path("/state")) == Path("/state/login.json")


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/api", "http://localhost/api", "https://example.org/api"])
def test_an_address_without_tls_is_accepted_for_this_machine_only(address: str) -> None:
    """The token travels there."""
    assert isinstance(parse_settings(f'[cloud]\napi = "{address}"\n'), LevitonSettings)


@pytest.mark.parametrize(
    "line",
    [
        'api = "http://example.org/api"',
        'api = "http://127.0.0.1.example.org/api"',
        'api = "ftp://127.0.0.1/api"',
        'api = "https://user@example.org/api"',
        'api = "https://example.org:x/api"',
        'socket = "ws://example.org/"',
        'socket = "https://example.org/"',
        "api = 3",
    ],
)
def test_other_addresses_are_refused(line: str) -> None:
    """With file and line."""
    (error,) = errors(f"[cloud]\n{line}\n")
    assert error.startswith("leviton.toml:2: [cloud]")


def test_a_password_is_refused_and_not_shown() -> None:
    """It is never stored."""
    (error,) = errors('[account]\npassword = "hunter2"\n')
    assert "is never stored" in error
    assert "hunter2" not in error


def test_an_unknown_key_shows_the_closest_one() -> None:
    """As in the other files."""
    (error,) = errors('[cloud]\nsokcet = "wss://example.org/"\n')
    assert 'did you mean "socket"?' in error


def test_text_that_is_not_toml_is_an_error_with_a_reason() -> None:
    """Not an exception."""
    assert "is not valid TOML" in errors("[cloud\n")[0]


def test_the_bridge_has_its_own_login_at_the_broker() -> None:
    """The controller's would let it command every breaker."""
    settings = parse_settings('[broker]\nusername = "leviton"\npassword_file = "/etc/loadshed/leviton.password"\n')
    assert isinstance(settings, LevitonSettings)
    broker = settings.broker_of(Broker("h", username="loadshed", password_file=Path("/x")))
    assert (broker.username, broker.password_file) == ("leviton", Path("/etc/loadshed/leviton.password"))


def test_the_login_is_stored_for_its_owner_only(tmp_path: Path) -> None:
    """And read again as a whole: the push connection wants all of it."""
    path = tmp_path / "login.json"
    save_login(path, ANSWER)
    assert path.stat().st_mode & 0o777 == 0o600
    login = load_login(path)
    assert login is not None
    assert login.answer == ANSWER
    assert "secret-token" not in repr(login)


def test_a_login_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """It says what to do."""
    path = tmp_path / "login.json"
    save_login(path, ANSWER)
    path.chmod(0o640)
    with pytest.raises(LoginError, match="chmod 600"):
        load_login(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"id": 3, "userId": "x"})])
def test_a_broken_file_is_no_login(tmp_path: Path, text: str) -> None:
    """A power cut, or an editor."""
    path = tmp_path / "login.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(LoginError, match="login"):
        load_login(path)


def test_no_file_is_no_login(tmp_path: Path) -> None:
    """Before the first one."""
    assert load_login(tmp_path / "login.json") is None


def test_the_remaining_time_is_unknown_while_the_clock_is_earlier_than_the_login() -> None:
    """A Pi without a clock module starts in the past."""
    login = parse_login(ANSWER)
    created = datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert login.expires_in_s(created + timedelta(days=59)) == 86400.0
    assert login.expires_in_s(created - timedelta(days=400)) is None
