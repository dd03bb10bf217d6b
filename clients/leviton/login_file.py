"""The stored login: the cloud's whole answer, in a file of mode 0600. It holds the token, and never the password."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from controller.storage import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o600


class LoginError(Exception):
    """The stored login cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A login. `answer`: what the cloud sent, for the push connection. `ends`: UTC; None: not known."""

    token: str = field(repr=False)
    user: str
    ends: datetime | None
    answer: dict[str, object] = field(repr=False)

    def expires_in_s(self, now: datetime) -> float | None:
        """Return the remaining time in seconds; None: not known, or the clock is earlier than the login."""
        if self.ends is None:
            return None
        left_s = (self.ends - now).total_seconds()
        ttl = self.answer.get("ttl")
        return None if isinstance(ttl, int | float) and left_s > ttl else left_s


def parse_login(answer: object) -> StoredLogin:
    """Return the login of an answer of the cloud. Raises `LoginError`."""
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str) or not answer.get("userId"):
        raise LoginError("this is not an answer to a login")
    ends = None
    with suppress(TypeError, ValueError, OverflowError):
        created = datetime.fromisoformat(str(answer["created"]))
        ends = created.astimezone(UTC) + timedelta(seconds=float(answer["ttl"]))
    return StoredLogin(answer["id"], str(answer["userId"]), ends, answer)


def load_login(path: Path) -> StoredLogin | None:
    """Return the stored login; None: no login is stored. Raises `LoginError` if the file cannot be read or used."""
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise LoginError(f"{path} cannot be read: {reason}. Run: sudo loadshed leviton login") from None
    if mode & 0o077:
        raise LoginError(f"{path} may be read by other users. Run: sudo chmod 600 {path}")
    try:
        return parse_login(json.loads(text))
    except (ValueError, RecursionError, LoginError):
        raise LoginError(f"{path} holds no login. Run: sudo loadshed leviton login") from None


def save_login(path: Path, answer: dict[str, object]) -> None:
    """Store a login. The file gets the owner of its folder. Raises OSError."""
    atomic_file.write(path, json.dumps(answer) + "\n", mode=MODE, like=path.parent)


def remove_login(path: Path) -> bool:
    """Delete the stored login; return whether there was one. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
