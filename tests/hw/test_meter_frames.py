"""What the driver puts on the wire and takes from it, byte for byte, and what it makes of garbage."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from hw.meter_frame import frame_of
from hw.meter_identity import differences, parse_identity
from hw.meter_pdu import ReportIdResponse
from hw.meter_registers import Block, MeterReading, joined, version, with_block
from hw.meter_requests import Awaited, Read, ReportId, Request, ResetPeak, SetId, set_id_forms
from hw.response_filter import ResponseFilter, contains_response
from hw.simulated.meter_frames import sealed


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (Read(1, Block.ENERGY), "01 03 00 00 00 02 C4 0B"),
        (Read(1, Block.TO_GRID), "01 03 00 02 00 02 65 CB"),
        (Read(1, Block.ENERGY_AND_ALL), "01 03 00 00 00 06 C5 C8"),
        (Read(1, Block.PEAK), "01 03 00 3C 00 02 04 07"),
        (Read(1, Block.HARDWARE), "01 03 13 89 00 01 51 64"),
        (Read(1, Block.SOFTWARE), "01 03 13 8A 00 01 A1 64"),
        (Read(1, Block.PROGRAM_ID), "01 03 13 8B 00 01 F0 A4"),
        (Read(1, Block.RESET_COUNTER), "01 03 13 8D 00 01 10 A5"),
        (Read(1, Block.UPTIME), "01 03 13 8E 00 02 A0 A4"),
        (ResetPeak(1), "01 06 01 F4 00 AA 49 BB"),
        (ReportId(1), "01 11 C0 2C"),
        (SetId(1, 1, b"\0\x12"), "01 10 13 88 00 01 02 00 12 1A 14"),
        (SetId(1, 2, b"\0\x12"), "01 10 13 88 00 02 02 00 12 1A 50"),
        (SetId(1, 2, b"\0\0\0\x12"), "01 10 13 88 00 02 04 00 00 00 12 A3 54"),
    ],
    ids=str,
)
def test_requests_are_the_makers(request_: Request, frame: str) -> None:
    """Each request goes out as the maker's guide prints it, the illegal one too."""
    assert frame_of(request_) == bytes.fromhex(frame)


def test_set_id_tries_the_legal_form_first() -> None:
    """Then the one as printed, then the one whose counts agree."""
    assert [(form.register_count, len(form.value)) for form in set_id_forms(1, 18)] == [(1, 2), (2, 2), (2, 4)]


def _through_the_library(frame: bytes) -> object:
    decoder = DecodePDU(is_server=False)
    decoder.register(ReportIdResponse)
    _, pdu = FramerRTU(decoder).handleFrame(frame, 1, 0)
    return pdu


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("01 03 04 00 98 96 6C 14 51", (0x98, 0x966C)),
        ("01 03 0C 00 98 96 6C 00 98 96 6C 00 98 96 6C 25 E6", (0x98, 0x966C) * 3),
        ("01 03 04 00 00 00 02 7B F2", (0, 2)),
    ],
)
def test_answers_are_the_makers(frame: str, words: tuple[int, ...]) -> None:
    """The printed answers pass ear and library and come out as words, high word first."""
    raw = bytes.fromhex(frame)
    ear = ResponseFilter()
    ear.expect(b"\x01\x03 asked", Awaited(raw[:3], len(raw)))
    pdu = _through_the_library(ear.hook(False, raw))
    assert tuple(pdu.registers) == words  # type: ignore[attr-defined]
    assert ear.end() == b""


def test_words_become_values() -> None:
    """9 999 980 tenths, 2 seconds, V3.2, and kW in hundredths."""
    assert joined((0x98, 0x966C)) == 9_999_980
    assert joined((7,)) == 7
    assert version(0x0302) == "V3.2"
    reading = with_block(MeterReading(), Block.ENERGY_AND_ALL, (0, 1, 0, 2, 0, 300))
    assert reading == MeterReading(to_grid_tenths=2, at_40005_kw=3.0)
    assert with_block(reading, Block.PEAK, (0, 4321)).peak_kw == 43.21


# --- the ear ---------------------------------------------------------------------------------------------------------

_ASKED = bytes.fromhex("01 03 00 00 00 02 C4 0B")
_ANSWER = bytes.fromhex("01 03 04 00 98 96 6C 14 51")
_AWAITED = Read(1, Block.ENERGY).awaited


def _ear(
    *pieces: bytes, asked: bytes = _ASKED, awaited: Awaited = _AWAITED, echoes: bool | None = None
) -> tuple[ResponseFilter, bytes]:
    ear = ResponseFilter()
    ear.echoes = echoes
    ear.expect(asked, awaited)
    shown = held = b""
    for piece in pieces:
        held += piece
        shown = ear.hook(False, held)
    return ear, shown


def test_an_echo_is_taken_off_and_remembered() -> None:
    """An adapter that echoes gives the request first; the library sees the answer alone."""
    ear, shown = _ear(_ASKED[:3], _ASKED[3:] + _ANSWER[:2], _ANSWER[2:])
    assert shown == _ANSWER
    assert ear.end() == b""
    assert ear.echoes is True


def test_a_reset_is_not_confirmed_by_its_own_echo() -> None:
    """On an adapter known to echo, the confirmation is the second copy."""
    reset = frame_of(ResetPeak(1))
    awaited = ResetPeak(1).awaited
    assert _ear(reset, asked=reset, awaited=awaited, echoes=True)[1] == b""
    assert _ear(reset + reset, asked=reset, awaited=awaited, echoes=True)[1] == reset
    assert _ear(reset, asked=reset, awaited=awaited, echoes=False)[1] == reset


@pytest.mark.parametrize(
    "heard",
    [
        sealed(bytes.fromhex("01 03 0C") + bytes(12)),
        sealed(bytes.fromhex("02 03 04") + bytes(4)),
        sealed(bytes.fromhex("01 04 04") + bytes(4)),
        sealed(bytes.fromhex("01 03 03") + bytes(3)),
        b"\x00" * 30,
    ],
    ids=["another length", "another id", "another function", "an odd length", "noise"],
)
def test_the_library_never_sees_another_answer(heard: bytes) -> None:
    """What does not begin like the one awaited answer is held back, well-formed or not."""
    assert _ear(heard)[1] == b""


def test_a_glitch_before_the_answer_does_no_harm() -> None:
    """A turning adapter leaves a zero; the library alone would drop the frame behind it."""
    ear, shown = _ear(b"\x00", _ANSWER)
    assert shown == _ANSWER
    assert ear.end() == b"\x00"


def test_a_second_answer_is_noticed() -> None:
    """Two answers to one request are two meters on one id, or a line that repeats: neither is believed."""
    ear, _ = _ear(_ANSWER + _ANSWER)
    assert ear.end() == _ANSWER
    assert contains_response(_AWAITED, b"\x00" + _ANSWER)
    ear.hook(False, _ANSWER)
    assert ear.expect(_ASKED, _AWAITED) == _ANSWER, "what came unasked is handed over at the next request"


@given(st.lists(st.binary(max_size=30), max_size=8), st.booleans())
def test_no_bytes_get_past_the_ear_but_an_answer(pieces: list[bytes], spliced: bool) -> None:
    """Fuzz: the library sees nothing, or bytes that begin like the awaited answer or its refusal; nothing raises."""
    data = [*pieces[:1], _ANSWER, *pieces[1:]] if spliced else pieces
    ear, shown = _ear(*data)
    assert not shown or shown.startswith((_AWAITED.head, _AWAITED.refusal))
    if shown:
        _through_the_library(shown)
    ear.end()


@given(st.binary(max_size=60))
def test_the_library_is_never_shown_what_it_chokes_on(data: bytes) -> None:
    """Fuzz: 0x11 answers of any bytes are measured, decoded or waited for."""
    for frame in (b"\x01\x11" + data, sealed(b"\x01\x11" + data)):
        assert 0 <= ReportIdResponse.calculateRtuFrameSize(frame) <= len(frame)
        _through_the_library(frame)


# --- who are you? ----------------------------------------------------------------------------------------------------

_TOLD = b"\x31\xffLeviton 2N208-021, V3.2-V3.2,fn45678001"


@pytest.mark.parametrize("counted", [True, False])
def test_it_says_who_it_is(counted: bool) -> None:
    """With or without a byte count, the parts come out the same, through the library too."""
    body = b"\x01\x11" + (bytes((len(_TOLD),)) if counted else b"") + _TOLD
    frame = sealed(body)
    assert frame.endswith(bytes.fromhex("5F CC" if counted else "7F 03"))
    assert isinstance(_through_the_library(frame), ReportIdResponse)
    assert _through_the_library(frame[:-1]) is None
    identity = parse_identity(frame)
    assert identity is not None
    assert identity.counted is counted
    assert (identity.model, identity.hardware, identity.software) == ("2N208-021", "V3.2", "V3.2")
    assert (identity.program_id, identity.counter) == (45678, 1)


@pytest.mark.parametrize("tail", [b"fn 45678 001", b"fn45678,001", b"fn:45678-001"])
def test_undocumented_separators_are_tolerated(tail: bytes) -> None:
    """The guide does not say what stands between the last fields."""
    identity = parse_identity(sealed(b"\x01\x11\x31\xffLeviton 2N208-021, V3.2-V3.2," + tail))
    assert identity is not None
    assert (identity.program_id, identity.counter) == (45678, 1)


def test_binary_numbers_leave_the_rest_standing() -> None:
    """If the last fields are no digits, model and versions are still reported, and the bytes are kept."""
    frame = sealed(b"\x01\x11\x31\xffLeviton 2N208-021, V3.2-V3.2,fn\xb2\x6e\x01")
    identity = parse_identity(frame)
    assert identity is not None
    assert identity.model == "2N208-021"
    assert identity.program_id is None
    assert identity.raw == frame


@given(st.binary(max_size=80))
def test_any_bytes_are_an_identity_or_none(data: bytes) -> None:
    """Fuzz: nothing raises."""
    for raw in (data, b"\x01\x11\x31\xff" + data, sealed(b"\x01\x11" + bytes((len(data) % 256,)) + b"\x31\xff" + data)):
        identity = parse_identity(raw)
        assert identity is None or identity.raw == raw


def test_differences_between_response_and_registers_are_reported() -> None:
    """The counter is compared modulo 1000; what either side does not say is no difference."""
    identity = parse_identity(sealed(b"\x01\x11" + _TOLD))
    assert identity is not None
    assert differences(identity, MeterReading()) == ()
    same = MeterReading(hardware="V3.2", software="V3.2", program_id=45678, reset_counter=7001)
    assert differences(identity, same) == ()
    other = MeterReading(hardware="V3.3", program_id=1)
    assert differences(identity, other) == (
        "hardware version: V3.2 by 0x11, V3.3 by 45002",
        "program id: 45678 by 0x11, 1 by 45004",
    )


def test_the_library_is_not_imported_with_the_driver() -> None:
    """The first OFF must not wait for it."""
    import subprocess  # noqa: PLC0415

    code = "import sys, hw.meter; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_library_does_not_write_to_the_journal() -> None:
    """Each failure is reported once, in our words."""
    assert not logging.getLogger("pymodbus.logging").isEnabledFor(logging.ERROR)
