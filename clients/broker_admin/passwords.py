"""Passwords, and Mosquitto's file of them: `name:$7$rounds$salt$hash`, PBKDF2 with SHA-512."""

from __future__ import annotations

import base64
import hashlib
import secrets

# Without characters that are easily confused when typed into a relay's own page.
_SIGNS = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 24

# A random password of 120 bits needs no slow hash; the broker computes one per connection, in its only thread.
_ROUNDS = 101
_SALT_BYTES = 12


def new_password() -> str:
    """Return a random password of 120 bits that can be typed if necessary."""
    return "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))


def entry(name: str, password: str, salt: bytes | None = None) -> str:
    """Return a user's line of the password file."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"{name}:$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def matches(file: str, name: str, password: str) -> bool:
    """Return whether a password file accepts this user with this password."""
    for line in file.splitlines():
        if line.startswith(f"{name}:$7$"):
            _, _, rounds, salt, digest = line.split("$")
            tried = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(rounds))
            return secrets.compare_digest(tried, base64.b64decode(digest))
    return False


def with_user(file: str, name: str, password: str) -> str:
    """Return the password file with this user and password; other lines stay as they are."""
    return without_user(file, name) + entry(name, password) + "\n"


def without_user(file: str, name: str) -> str:
    """Return the password file without a user."""
    return "".join(f"{line}\n" for line in file.splitlines() if line and not line.startswith(f"{name}:"))
