"""What is heard on the line, judged byte by byte before the Modbus library sees it.

The library takes any frame with the right function for the answer: one that is late, one of another length, the echo of
an adapter. So it is shown nothing but bytes that begin like the one answer that is awaited; whatever else was there is
kept, because a line on which others speak deserves a second read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw.meter_requests import Awaited

_KEPT_BYTES = 1024


class Ear:
    """Everything heard since the last request, and what it was."""

    def __init__(self) -> None:
        self.echoes: bool | None = None  # whether the adapter echoes; None: not known yet
        self._awaited: Awaited | None = None
        self._sent = self._raw = self._strays = b""
        self._echo_gone = False
        self.disturbed = False  # whether something that failed its CRC came before the answer

    @property
    def raw(self) -> bytes:
        """What came since the last request, the adapter's echo apart."""
        return self._raw[len(self._sent) :] if self._echo_gone else self._raw

    def expect(self, sent: bytes, awaited: Awaited) -> bytes:
        """Begin to listen for the answer to what is about to be sent; return what came unasked before."""
        strays, self._strays = self._strays, b""
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
        """Take the library's bytes; return those it may see. `data`: all that it holds since the last request."""
        if sending:
            return data
        if self._awaited is None:
            self._strays = (self._strays + data)[-_KEPT_BYTES:]
            return b""
        # The library drops what failed its CRC: the rest then no longer continues what was there.
        self.disturbed |= not data.startswith(self._raw)
        self._raw = data
        if not self._past_echo(self._awaited):
            return b""
        begin, _ = self._awaited.find(self.raw)
        return self.raw[begin:] if begin >= 0 else b""

    def _past_echo(self, awaited: Awaited) -> bool:
        """Tell whether the echo, if there is one, has gone by."""
        # The confirmation of a reset is its own echo: only an adapter known to echo makes it wait for a second one.
        confirms = self._sent.startswith(awaited.head) and not self.echoes
        if self._echo_gone or confirms:
            return True
        self._echo_gone = self._raw.startswith(self._sent)
        return self._echo_gone or not self._sent.startswith(self._raw)


def speaks(awaited: Awaited, heard: bytes) -> bool:
    """Tell whether bytes hold what could be an answer of the same device to the same kind of request."""
    return awaited.speaker in heard or awaited.refusal in heard
