"""Secrets taken out of what leaves the house: by the name of their field, never by a search for the secret itself.

A search for a short password would show it by its holes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from controller.config.errors import holds_secret
from controller.config.line_mistakes import parted, uncommented

if TYPE_CHECKING:
    from controller.config.table_reader import FileKeys

REMOVED = "(removed)"
_SECRET_KEY = re.compile(
    r"""(?P<key>["']?[\w-]*(?:pass(?:word|wd|phrase)?|pwd|psk|secret|token|api_?key|private|credential)[\w-]*"""
    r"""(?:["']?\s*=|["']\s*:)\s*)"""
    r"""(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\\"(?:(?!\\").)*\\"|[“”„«‘’`][^\n]*"""
    r"""|[^\s,}\]]+)""",
    re.IGNORECASE,
)
_COMMENT_OF_SECRET = re.compile(
    r"""^(?P<line>\s*["']?[\w-]*(?:pass|secret|token|key|private)[\w-]*["']?\s*=[^#\n]*)#[^\n]*$""",
    re.IGNORECASE | re.MULTILINE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)")
_LOGIN_IN_ADDRESS = re.compile(r"""(?<=://)[^\s"']*[^\s"'\\](?=@)|(?<![\w:/])[^\s"'/@:=]+:[^\s"'@/]+(?=@[\w.\[])""")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", re.IGNORECASE)

_VALUE = r""""(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^\s,;}]+"""
_PAIR = re.compile(rf"""(?P<key>[\w.-]+|"[^"]*"|'[^']*')(?P<sign>\s*=\s*)(?P<value>\{{(?=[^}}]*=)|{_VALUE})""")
_PLAIN_VALUE = re.compile(r"[-+]?\d{1,4}(?:\.\d+)?|true|false")
# The errors themselves have # in "put # before the line" and "a comment begins with #: …".
_COMMENT_IN_ERROR = re.compile(r"#(?! and not| before|:).*$")
_NUMBERS = re.compile(r"[\s\d,\[\]]*")
_LONG_MARKS = ('"""', "'''")


def without_secrets(text: str) -> str:
    """Return a text without the values of keys that are named like a secret, logins in addresses, and private keys."""
    text = _PRIVATE_KEY.sub(REMOVED, text)
    text = _LOGIN_IN_ADDRESS.sub(REMOVED, text)
    text = _BEARER.sub(REMOVED, text)
    text = _SECRET_KEY.sub(_hidden, text)
    return _COMMENT_OF_SECRET.sub(rf"\g<line># {REMOVED}", text)


def _hidden(found: re.Match[str]) -> str:
    # Where the password stands is no secret, and often what is wrong.
    key = found["key"]
    is_path = key.rstrip("=: \t\"'").endswith("_file") and found[0][len(key) :].lstrip("\\\"'").startswith("/")
    return found[0] if is_path else f'{key}"{REMOVED}"'


def file_without_secrets(text: str, keys: FileKeys) -> str:
    """Return a configuration file with the values of its own keys only.

    Comments, values of unknown keys and lines that are not TOML are removed: a password may stand in each of them.
    """
    lines: list[str] = []
    inside: str | None = None  # of a text over several lines
    for line in text.split("\n"):
        if inside is not None:
            inside = None if inside in line else inside
            continue
        inside = next((marks for marks in _LONG_MARKS if line.count(marks) % 2), None)
        lines.append(_line(line, keys, long=inside is not None))
    return without_secrets("\n".join(lines))


def _line(line: str, keys: FileKeys, *, long: bool) -> str:
    code = uncommented(line)
    comment = (
        f"  # {REMOVED}" if code.strip() and code != line.rstrip() else f"# {REMOVED}" if code != line.rstrip() else ""
    )
    text = code.strip()
    if not text or _NUMBERS.fullmatch(text) or re.fullmatch(r"\[[^=]*", text):
        return f"{code}{comment}"
    key, sign, value = parted(text)
    if not long and _may_show(key, value, keys) and (sign.strip() or _is_known(key, keys)):
        return f"{code}{comment}"
    if not long and key in keys.tables and value.strip().startswith("{"):
        return f"{pairs_without_secrets(code, keys)}{comment}"
    named = sign.strip() and re.fullmatch(r"[\w.\"'-]+", key)
    return f'{key} = "{REMOVED}"{comment}' if named else REMOVED


def errors_without_secrets(text: str, keys: FileKeys) -> str:
    """Return an error about a configuration file without values of unknown keys, and without comments of the file."""
    return _COMMENT_IN_ERROR.sub(f"# {REMOVED}", pairs_without_secrets(text, keys))


def pairs_without_secrets(text: str, keys: FileKeys) -> str:
    """Return a text without the values of `key = value` in it whose key is not one of the file."""

    def shown(found: re.Match[str]) -> str:
        if found["value"] == "{" or _may_show(found["key"], found["value"], keys):
            return found[0]
        return f'{found["key"]}{found["sign"]}"{REMOVED}"'

    return _PAIR.sub(shown, text)


def _may_show(key: str, value: str, keys: FileKeys) -> bool:
    name, plain = key.strip("\"'").rpartition(".")[2], value.strip()
    if _PLAIN_VALUE.fullmatch(plain):
        return not holds_secret(name, plain)
    return _is_known(key, keys) and not holds_secret(name, plain)


def _is_known(key: str, keys: FileKeys) -> bool:
    return key.strip("\"'").rpartition(".")[2] in keys.rules
