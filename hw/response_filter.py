"""Filter of the bytes on the line, before the Modbus library sees them.

The library accepts any frame with the right function as the response: a late one, one of another length, the echo of an
adapter. It therefore gets only bytes that begin like the one awaited response; other bytes are kept, because a line
with other senders needs a second read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw.meter_requests import Awaited

_KEPT_BYTES = 1024


class ResponseFilter:
    """Everything heard since the last request, and what it was."""

    def __init__(self) -> None:
        self.echoes: bool | None = None  # whether the adapter echoes; None: not known yet
        self._awaited: Awaited | None = None
        self._sent = self._raw = self._unsolicited = b""
        self._echo_gone = False
        self.disturbed = False  # whether something that failed its CRC came before the answer

    @property
    def raw(self) -> bytes:
        """Bytes since the last request, without the adapter's echo."""
        return self._raw[len(self._sent) :] if self._echo_gone else self._raw

    def expect(self, sent: bytes, awaited: Awaited) -> bytes:
        """Begin to listen for the answer to what is about to be sent; return what came unasked before."""
        strays, self._unsolicited = self._unsolicited, b""
        self._sent, self._awaited, self._raw = sent, awaited, b""
        self._echo_gone = self.disturbed = False
        return strays

    def end(self) -> bytes:
        """Stop listening; return what was heard beside the answer and the echo."""
        awaited, self._awaited = self._awaited, None
        if awaited is None:
            return b""
        if self._raw and not self._sent.startswith(awaited.head):
            self.echoes = self._echo_gone
        begin, length = awaited.find(self.raw)
        return self.raw[:begin] + self.raw[begin + length :] if begin >= 0 else self.raw

    def hook(self, sending: bool, data: bytes) -> bytes:
        """Filter the library's bytes; return those it may see. `data`: all bytes since the last request."""
        if sending:
            return data
        if self._awaited is None:
            self._unsolicited = (self._unsolicited + data)[-_KEPT_BYTES:]
            return b""
        # The library drops what failed its CRC: the rest then no longer continues what was there.
        self.disturbed |= not data.startswith(self._raw)
        self._raw = data
        if not self._past_echo(self._awaited):
            return b""
        begin, _ = self._awaited.find(self.raw)
        return self.raw[begin:] if begin >= 0 else b""

    def _past_echo(self, awaited: Awaited) -> bool:
        """Return whether the echo, if there is one, is over."""
        # The confirmation of a reset is its own echo: only an adapter known to echo makes it wait for a second one.
        confirms = self._sent.startswith(awaited.head) and not self.echoes
        if self._echo_gone or confirms:
            return True
        self._echo_gone = self._raw.startswith(self._sent)
        return self._echo_gone or not self._sent.startswith(self._raw)


def contains_response(awaited: Awaited, heard: bytes) -> bool:
    """Return whether bytes contain a possible response of the same device to the same kind of request."""
    return awaited.speaker in heard or awaited.refusal in heard
