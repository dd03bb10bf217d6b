"""Two controllers of one site: who they are, and how they share the broker."""

from __future__ import annotations

import json

import pytest

from controller.bus.client_ids import LONGEST_WAIT_S, ClientIds
from controller.bus.messages import ControllerId, IncomingMessage, Rejection
from controller.bus.rivals import SEEN_FOR_S, TAKEN_OVER_FOR_S, ControllerSeen, Rivals, parse_alive

OURS = ControllerId("aa", "pi", "192.168.1.20")
THEIRS = ControllerId("bb", "pi", "192.168.1.31")


def alive(**fields: object) -> IncomingMessage:
    """Return a message on `controller/alive`."""
    return IncomingMessage(1.0, "loadshed/home/controller/alive", json.dumps(fields).encode())


def test_each_controller_names_both_in_the_same_words() -> None:
    """Both publish the alarm on the same topic, and each screen shows both."""
    ours, theirs = Rivals(OURS.instance), Rivals(THEIRS.instance)
    assert ours.detail(OURS, 0.0) is None
    assert ours.seen(ControllerSeen(THEIRS, on_standby=False), 1.0)
    assert theirs.seen(ControllerSeen(OURS, on_standby=False), 1.0)
    both = "pi at 192.168.1.20 (instance aa) and pi at 192.168.1.31 (instance bb)"
    assert ours.detail(OURS, 2.0) == theirs.detail(THEIRS, 2.0) == both


def test_our_own_message_is_no_other_controller() -> None:
    """The broker sends it back to us."""
    rivals = Rivals(OURS.instance)
    assert not rivals.seen(ControllerSeen(OURS, on_standby=True), 1.0)
    assert rivals.detail(OURS, 1.0) is None
    assert not rivals.on_standby(1.0)


def test_a_controller_that_is_gone_is_forgotten() -> None:
    """Its alarm is cleared then."""
    rivals = Rivals(OURS.instance)
    rivals.seen(ControllerSeen(THEIRS, on_standby=True), 1.0)
    assert rivals.on_standby(2.0)
    assert rivals.detail(OURS, 1.0 + SEEN_FOR_S) is None
    assert not rivals.on_standby(1.0 + SEEN_FOR_S)


def test_only_news_is_news() -> None:
    """A message every five seconds is none, a changed source is."""
    rivals = Rivals(OURS.instance)
    assert rivals.seen(ControllerSeen(THEIRS, on_standby=False), 1.0)
    assert not rivals.seen(ControllerSeen(THEIRS, on_standby=False), 6.0)
    assert rivals.seen(ControllerSeen(THEIRS, on_standby=True), 11.0)


def test_a_program_that_never_identifies_itself_is_known_by_its_connection() -> None:
    """For some minutes: it may be an old version."""
    rivals = Rivals(OURS.instance)
    rivals.taken_over(1.0)
    assert "another program with its client id" in (rivals.detail(OURS, 2.0) or "")
    assert rivals.detail(OURS, 1.0 + TAKEN_OVER_FOR_S) is None


def test_a_program_that_identifies_itself_later_is_forgotten_when_it_is_gone() -> None:
    """It was the one that took the connection."""
    rivals = Rivals(OURS.instance)
    rivals.taken_over(1.0)
    rivals.seen(ControllerSeen(THEIRS, on_standby=False), 2.0)
    assert rivals.detail(OURS, 2.0 + SEEN_FOR_S) is None


def test_a_sign_of_life_is_parsed() -> None:
    """A retained one shows nothing, and what is not valid is refused."""
    fields = {**THEIRS._asdict(), "on_standby": True, "uptime_s": 5.0}
    assert parse_alive(alive(**fields)) == ControllerSeen(THEIRS, on_standby=True)
    assert parse_alive(alive(instance="bb")) == ControllerSeen(ControllerId("bb", "", ""), on_standby=False)
    assert parse_alive(alive(**fields)._replace(retained=True)) is None


@pytest.mark.parametrize("payload", [b"", b"[" * 4000, b"7", b"{}", b'{"instance": 7}', b"\xff"])
def test_a_malformed_sign_of_life_is_refused(payload: bytes) -> None:
    """With one line."""
    assert isinstance(parse_alive(alive()._replace(payload=payload)), Rejection)


def test_a_second_client_id_is_used_after_the_first_was_taken_over() -> None:
    """Without an additional wait."""
    ids = ClientIds("home", "aa")
    assert ids.current == "loadshed-home"
    ids.taken_over()
    assert (ids.current, ids.wait_s) == ("loadshed-home-aa", 0.0)
    ids.taken_over()
    assert ids.current == "loadshed-home-aa"


def test_attempts_become_rare_if_the_broker_refuses_the_second_id() -> None:
    """Each doubles the wait, up to a minute."""
    ids = ClientIds("home", "aa")
    ids.refused()
    assert (ids.current, ids.wait_s) == ("loadshed-home", 0.0)
    ids.taken_over()
    ids.refused()
    waits = []
    for _ in range(6):
        ids.taken_over()
        waits.append(ids.wait_s)
    assert ids.current == "loadshed-home"
    assert waits == [10.0, 20.0, 40.0, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
