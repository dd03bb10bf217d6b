"""The simulated My Leviton cloud on loopback: REST by the standard library's server, push by `websockets`."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from hw.simulated.leviton_cloud import CloudRequest, LevitonCloud

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

HOST = "127.0.0.1"
LOOK_S = 0.02
"""Interval in seconds at which what the cloud pushes is sent."""
LONGEST_HOLD_S = 30.0
"""Longest time in seconds for which a request without an answer is held open."""


class LevitonServer:
    """A running cloud. Use it as a context manager. `lock`: held while the cloud's state is used from outside.

    `rate`: seconds of the cloud per second.
    """

    def __init__(self, cloud: LevitonCloud, *, rest_port: int = 0, push_port: int = 0, rate: float = 1.0) -> None:
        self.cloud = cloud
        self.lock = threading.RLock()
        self.arrivals: list[tuple[float, str, str]] = []
        """Monotonic time, method and path of each request."""
        self._rate, self._began = rate, time.monotonic()
        self._sockets: dict[int, ServerConnection] = {}
        self._stopping = threading.Event()
        self._http = _HttpServer(self, rest_port)
        self._push = serve(self._serve_push, HOST, push_port, ping_interval=None)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._push.serve_forever, daemon=True),
            threading.Thread(target=self._deliver, daemon=True),
        ]

    @property
    def api(self) -> str:
        """Return the address of the REST interface."""
        return f"http://{HOST}:{self._http.server_address[1]}/api"

    @property
    def socket(self) -> str:
        """Return the address of the push interface."""
        return f"ws://{HOST}:{self._push.socket.getsockname()[1]}/"

    @property
    def now(self) -> float:
        """Return the time of the cloud in seconds since its start."""
        return (time.monotonic() - self._began) * self._rate

    @property
    def stopping(self) -> threading.Event:
        """Return the event that ends held requests."""
        return self._stopping

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for connection in list(self._sockets.values()):
            _cut(connection)
        self._http.shutdown()
        self._http.server_close()
        self._push.shutdown()
        for thread in self._threads:
            thread.join(5.0)

    def _serve_push(self, connection: ServerConnection) -> None:
        if self.cloud.faults.blackhole:
            self._stopping.wait(LONGEST_HOLD_S)
            return
        with self.lock:
            session = self.cloud.connect(self.now)
            self._sockets[session] = connection
        try:
            for text in connection:
                with self.lock:
                    self.cloud.receive(session, str(text), self.now)
        except ConnectionClosed:
            pass
        finally:
            with self.lock:
                self.cloud.disconnect(session)
                self._sockets.pop(session, None)

    def _deliver(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with self.lock:
                sent = [(self._sockets.get(session), text) for session, text in self.cloud.advance(self.now)]
            for connection, text in sent:
                if connection is None:
                    continue
                if text is None:
                    _cut(connection)
                else:
                    with contextlib.suppress(ConnectionClosed):
                        connection.send(text)


def _cut(connection: ServerConnection) -> None:
    """End a connection without a close frame, as the real cloud does."""
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, owner: LevitonServer, port: int) -> None:
        self.owner = owner
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One REST connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = LONGEST_HOLD_S
    server: _HttpServer

    def log_message(self, *_: object) -> None:
        """Write nothing to stderr."""

    def _answer(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length) if length else b""
        path = self.path.removeprefix("/api")
        owner.arrivals.append((time.monotonic(), self.command, path))
        request = CloudRequest(self.command, path, json.loads(raw) if raw else None, self.headers.get("authorization"))
        with owner.lock:
            reply = owner.cloud.request(request, owner.now)
        if owner.stopping.wait(min(reply.after_s, LONGEST_HOLD_S)) or reply.status == 0:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = reply.text.encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815  # names that the server looks for
