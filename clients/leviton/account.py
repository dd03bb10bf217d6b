"""One-off requests of the commands: log in, log out, and list what the account has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.leviton.inventory import read_breaker, read_hub
from clients.leviton.rest import CloudAnswer, error_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.leviton.inventory import ListedBreaker, ListedHub
    from clients.leviton.login_file import StoredLogin
    from clients.leviton.rest import CloudClient

LOGIN_PAUSE_S = 10.0
"""Shortest time in seconds between two requests to log in."""
WRONG_PASSWORD, LOCKED, CODE_NEEDED, WRONG_CODE = 401, 403, 406, 408
OK, LIMIT = 200, 300


class CloudError(Exception):
    """The cloud did not do what was asked; the text says why and what to do."""


class CodeNeededError(Exception):
    """The account has two-factor authentication: a code is needed."""


@dataclass(frozen=True, slots=True)
class AccountListing:
    """What an account has. `raw`: the cloud's own JSON by path, for `dump`."""

    hubs: tuple[ListedHub, ...]
    breakers: tuple[ListedBreaker, ...]
    raw: dict[str, object]


def log_in(client: CloudClient, email: str, password: str, code: str | None = None) -> dict[str, object]:
    """Return the cloud's answer to a login. Raises `CodeNeededError` or `CloudError`; nothing is repeated."""
    body: dict[str, object] = {"email": email, "password": password}
    if code:
        body["code"] = code
    answer = client.call("POST", "Person/login?include=user", body)
    if OK <= answer.status < LIMIT and isinstance(answer.content, dict):
        return answer.content
    if answer.status == CODE_NEEDED and code is None:
        raise CodeNeededError
    raise CloudError(_login_failure(answer))


def _login_failure(answer: CloudAnswer) -> str:
    texts = {
        WRONG_PASSWORD: "Leviton's cloud does not accept this e-mail address and password. Check both, and try once "
        "more: after several wrong attempts it locks the account for hours.",
        LOCKED: "Leviton's cloud has locked the account after too many failed attempts. Wait some hours, or reset the "
        "password in the My Leviton app.",
        CODE_NEEDED: "Leviton's cloud asks for a code. Run the command again, with a new code.",
        WRONG_CODE: "The code is wrong or too old. Run the command again, with a new code.",
        429: "Leviton's cloud has had too many requests. Wait some minutes.",
    }
    return texts.get(answer.status) or _failure(answer)


def _failure(answer: CloudAnswer) -> str:
    if answer.status == 0:
        return f"Leviton's cloud cannot be reached ({answer.reason}). Check the internet line."
    said = error_message(answer)
    return f"Leviton's cloud answered with error {answer.status}{f' ({said})' if said else ''}. Try again later."


def log_out(client: CloudClient, login: StoredLogin) -> None:
    """End a login at the cloud. Raises `CloudError`; one that is dead already is no error."""
    answer = client.call("POST", f"Person/logout?access_token={login.token}", {}, login.token)
    if not (OK <= answer.status < LIMIT or answer.status in (401, 404)):
        raise CloudError(_failure(answer))


def list_account(
    client: CloudClient, login: StoredLogin, progress: Callable[[str], None] = lambda _: None
) -> AccountListing:
    """Return the hubs and breakers of all residences of the account. Raises `CloudError`."""
    raw: dict[str, object] = {}

    def get(path: str) -> list[dict[str, object]]:
        progress(path)
        answer = client.call("GET", path, token=login.token)
        if answer.status == WRONG_PASSWORD:
            raise CloudError("Leviton's cloud no longer accepts the stored login. Run: sudo loadshed leviton login")
        if not OK <= answer.status < LIMIT or answer.content is None:
            raise CloudError(_failure(answer))
        raw[path] = answer.content
        entries = answer.content if isinstance(answer.content, list) else [answer.content]
        return [one for one in entries if isinstance(one, dict)]

    hubs: dict[str, ListedHub] = {}
    breakers: list[ListedBreaker] = []
    for permission in get(f"Person/{login.user}/residentialPermissions"):
        account = permission.get("residentialAccountId")
        guest = f"ResidentialPermissions/{permission.get('id')}/residence"
        for residence in get(guest if account is None else f"ResidentialAccounts/{account}/residences"):
            for one in get(f"Residences/{residence.get('id')}/iotWhems"):
                hub = read_hub(one)
                if hub is None or hub.serial in hubs:
                    continue
                hubs[hub.serial] = hub
                listed = get(f"IotWhems/{hub.serial}/residentialBreakers")
                found = (read_breaker(breaker, hub.serial) for breaker in listed)
                breakers += [breaker for breaker in found if breaker is not None]
    breakers.sort(key=lambda one: (one.hub, one.position is None, one.position or 0))
    return AccountListing(tuple(hubs.values()), tuple(breakers), raw)
