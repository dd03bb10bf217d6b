"""A circuit on one line, and a recap in which single answers can be changed."""

from __future__ import annotations

import asyncio
import os

import pytest

from clients.setup.circuit_line import CircuitAnswer, circuit_of, read_line
from clients.setup.prompt import Prompt
from clients.setup.recap import confirm_settings, sure
from controller.config.model import BrokerSettings
from controller.config.validators import InvalidValueError
from rules.panel import CircuitId, Kind, Restore, Tag

N, E = Tag.NONESSENTIAL, Tag.ESSENTIAL

LINES = (
    ("9+11 Hot tub relay n 8", ((9, 11), "Hot tub", Kind.RELAY, N, 8, None)),
    ("9,11 Hot tub gen2 nonessential 50A 8", ((9, 11), "Hot tub", Kind.GEN2, N, 8, 50.0)),
    ("9 11 Hot tub gen2 n", ((9,), "11 Hot tub", Kind.GEN2, N, None, None)),
    ("9 + 11 Hot tub gen2 50a n 8", ((9, 11), "Hot tub", Kind.GEN2, N, 8, 50.0)),
    ("1 Router gen2 e", ((1,), "Router", Kind.GEN2, E, None, None)),
    ("17 Garage standard n 20A", ((17,), "Garage", Kind.STANDARD, N, None, 20.0)),
    ("3 Relay cabinet gen1 e", ((3,), "Relay cabinet", Kind.GEN1, E, None, None)),
    ("Hot tub", (None, "Hot tub", None, None, None, None)),
    ("5 Bedroom 2", ((5,), "Bedroom 2", None, None, None, None)),
    ("5 Bedroom 2 gen2 n 3", ((5,), "Bedroom 2", Kind.GEN2, N, 3, None)),
    ("9+11 Hot tub relay n 8 50", ((9, 11), "Hot tub", Kind.RELAY, N, 8, 50.0)),
    ("9+11 Hot tub relay n 50 8", ((9, 11), "Hot tub", Kind.RELAY, N, 8, 50.0)),
    ("1 Router relay e 15", ((1,), "Router", Kind.RELAY, E, None, 15.0)),
    ("5 Unit 20", ((5,), "Unit 20", None, None, None, None)),
    ("5 Unit 20 gen2 n", ((5,), "Unit 20", Kind.GEN2, N, None, None)),
    ("7 gen2 e", ((7,), "", Kind.GEN2, E, None, None)),
)


@pytest.mark.parametrize(("line", "said"), LINES)
def test_a_line_is_read_from_both_ends(line: str, said: tuple[object, ...]) -> None:
    """The spaces come first; a name may contain any word."""
    answer = read_line(line)
    assert (answer.spaces, answer.name, answer.kind, answer.tag, answer.rank, answer.amps) == said


def test_the_rest_follows_from_name_and_kind() -> None:
    """What starts unattended waits for a request, a compressor rests, the network is protected."""
    range_, cooler = read_line("2+4 Range gen2 n"), read_line("6 A/C upstairs relay n 4")
    assert circuit_of(range_, CircuitId("range")).restore is Restore.ASK
    circuit = circuit_of(cooler, CircuitId("ac"))
    assert (circuit.min_off_s, circuit.rank) == (300.0, 4)
    assert circuit_of(read_line("1 Router gen2 e"), CircuitId("router")).protected
    with pytest.raises(InvalidValueError):
        circuit_of(CircuitAnswer(None, "x", None, None, None, None), CircuitId("x"))


def person(*answers: str) -> tuple[Prompt, list[str]]:
    """Return a user who gives these answers, and what is shown to them."""
    ours, theirs = os.pipe()
    os.write(theirs, "".join(f"{answer}\n" for answer in answers).encode())
    os.close(theirs)
    said: list[str] = []
    return Prompt(ours, said.append), said


def test_a_single_answer_of_a_recap_can_be_changed() -> None:
    """Without the others being asked again; an unknown word is answered with the known ones."""
    asked, said = person("prot", "port", "99999", "1884", "")
    questions = {"host": "Its host", "port": "Its port", "ca_file": "TLS"}
    settings = asyncio.run(confirm_settings(asked, "The broker", BrokerSettings(), questions))
    assert settings == BrokerSettings(port=1884)
    text = "".join(said)
    assert "There is no answer 'prot' here: host, port, ca_file." in text
    assert "ca_file  none" in text


def test_a_doubtful_answer_is_questioned() -> None:
    """`n` as a host was meant for another question."""
    asked, said = person("n")
    assert not asyncio.run(sure(asked, "The broker's host", "n", doubtful=True))
    assert "really 'n'?" in "".join(said)
    assert asyncio.run(sure(asked, "The broker's host", "pi", doubtful=False))
