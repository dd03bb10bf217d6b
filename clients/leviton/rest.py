"""REST requests to the cloud, each with a time limit.

A connection is used again within a burst only: the cloud closes idle ones without a word, and the next request breaks.
No token and no content of an answer is ever part of an error or a log line.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 5.0
REUSE_S = 2.0
"""Time in seconds after an answer in which a connection is used again."""
MAX_BYTES = 4 * 1024 * 1024
USER_AGENT = "Mozilla/5.0 (X11; Linux aarch64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
ORIGIN = "https://myapp.leviton.com"
_BROKEN = (http.client.HTTPException, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class CloudAnswer:
    """Answer of the cloud. `status` 0: none came, for `reason`. `content`: None if it is not JSON."""

    status: int
    content: object = field(default=None, repr=False)
    retry_after_s: float | None = None
    reason: str = ""


@dataclass(slots=True)
class _Kept:
    connection: http.client.HTTPConnection
    used_at: float


class CloudClient:
    """Client of the REST interface at `api`. It may be used by several threads, each with its own connection."""

    def __init__(self, api: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(api)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._base = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._local = threading.local()
        self._context: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None, token: str | None = None
    ) -> CloudAnswer:
        """Send a request and return the answer. A command that is repeated here does no harm."""
        content = None if body is None else json.dumps(body).encode()
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "origin": ORIGIN,
            "referer": f"{ORIGIN}/",
        }
        if token is not None:
            headers["authorization"] = token
        url = f"{self._base}/{path.lstrip('/')}"
        try:
            try:
                connection, reused = self._connection()
                return self._exchange(connection, method, url, content, headers)
            except _BROKEN:
                self.close()
                if not reused:
                    raise
                connection, _ = self._connection()
                return self._exchange(connection, method, url, content, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return CloudAnswer(0, reason=_why(error))

    def close(self) -> None:
        """Close the connection of this thread."""
        kept: _Kept | None = getattr(self._local, "kept", None)
        self._local.kept = None
        if kept is not None:
            kept.connection.close()

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        kept: _Kept | None = getattr(self._local, "kept", None)
        if kept is not None and time.monotonic() - kept.used_at <= REUSE_S:
            return kept.connection, True
        self.close()
        connection: http.client.HTTPConnection
        if self._secure:
            self._context = self._context or ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        self._local.kept = _Kept(connection, time.monotonic())
        return connection, False

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> CloudAnswer:
        connection.request(method, url, body=content, headers=dict(headers))
        response = connection.getresponse()
        raw = response.read(MAX_BYTES)
        self._local.kept.used_at = time.monotonic()
        if response.will_close or not response.isclosed():
            self.close()
        try:
            parsed = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            parsed = None
        return CloudAnswer(response.status, parsed, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, which is a number or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _why(error: Exception) -> str:
    """Return why no answer came, without anything of the request."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the connection was lost"


def error_message(answer: CloudAnswer) -> str:
    """Return what the cloud says of an error, for a terminal; empty: nothing."""
    content = answer.content
    error = content.get("error") if isinstance(content, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and message.isprintable() else ""
