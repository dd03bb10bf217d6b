"""What a message means, and how an effect is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.bus import payloads
from controller.bus.messages import IncomingMessage, Rejection, ReplyAddress
from controller.bus.requests import DuplicateFilter
from controller.bus.topics import ContactTopics, Topics
from controller.core.effects import LogEvent, SendReply, SwitchOff, SwitchOn
from controller.core.events import (
    AvailabilityReported,
    BreakerReported,
    ContactAlive,
    ContactChanged,
    ContactLost,
    Requested,
)
from controller.core.views import AlarmView, CircuitView, StateView, WallClock
from rules.metering.demand import DemandView, Quality
from rules.panel import CircuitId, Kind, Position, Tag

HOT_TUB = CircuitId("hot-tub")
CONTACT = ContactTopics("ats/contact", "ats/status", open="OPEN", closed="SHUT", available="up", unavailable="down")
TOPICS = Topics("home", {HOT_TUB, CircuitId("all")}, CONTACT)
STATE = "loadshed/home/breakers/hot-tub/state"
AVAILABILITY = "loadshed/home/breakers/hot-tub/availability"
# 2026-01-31T23:59:59.5Z is 1000 monotonic seconds.
WALL = WallClock(offset_s=1769903999.5 - 1000.0, trusted=True)
UNTRUSTED = WallClock(WALL.offset_s, trusted=False)


def heard(topic: str, payload: bytes, *, retained: bool = False) -> object:
    """Return what a message means."""
    return next(iter(TOPICS.read(IncomingMessage(7.0, topic, payload, retained))), None)


def asked(request: str, payload: bytes | dict[str, object], **how: Any) -> object:
    """Return what a request means."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return next(iter(TOPICS.read(IncomingMessage(7.0, f"loadshed/home/ask/{request}", body, **how))), None)


@pytest.mark.parametrize("retained", [False, True])
@pytest.mark.parametrize(
    ("word", "position"), [(b"ON", Position.ON), (b"OFF", Position.OFF), (b"TRIPPED", Position.TRIPPED)]
)
def test_a_device_says_its_position_and_the_broker_what_it_remembers(
    word: bytes, position: Position, retained: bool
) -> None:
    """A live word and a remembered one differ in the retain flag alone."""
    assert heard(STATE, word, retained=retained) == BreakerReported(7.0, HOT_TUB, position, retained)


def test_a_device_says_whether_it_answers() -> None:
    """Availability is `online` or `offline`."""
    assert heard(AVAILABILITY, b"online") == AvailabilityReported(7.0, HOT_TUB, online=True)
    assert heard(AVAILABILITY, b"offline", retained=True) == AvailabilityReported(7.0, HOT_TUB, False, True)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (STATE, b"on"),
        (STATE, b"On"),
        (STATE, b" ON"),
        (STATE, b"ON\n"),
        (STATE, b"1"),
        (STATE, b'{"state":"ON"}'),
        (STATE, b"\xff\xfe\x00"),
        (STATE, b"O" * 1_000_000),
        (AVAILABILITY, b"Online"),
        (AVAILABILITY, b"\x80"),
        ("loadshed/home/breakers/cellar/state", b"ON"),
        ("loadshed/home/breakers/hot-tub/set", b"OFF"),
        ("loadshed/home/breakers/hot-tub/state/x", b"ON"),
        ("loadshed/other/breakers/hot-tub/state", b"ON"),
        ("loadshed/home/controller/state", b"{}"),
        ("loadshed/home", b""),
        ("", b"ON"),
        ("ats/contact", b"open"),
        ("ats/contact", b"\xff"),
        ("ats/status", b"online"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_one_short_line(topic: str, payload: bytes) -> None:
    """Binary, a megabyte, wrong case, an unknown circuit, another program's topic."""
    refusal = heard(topic, payload)
    assert isinstance(refusal, Rejection)
    assert len(refusal.reason) < 300
    assert refusal.reason.isprintable()


@pytest.mark.parametrize("topic", [STATE, AVAILABILITY, "ats/contact", "ats/status"])
def test_clearing_a_retained_topic_says_nothing(topic: str) -> None:
    """An empty payload clears a retained message."""
    assert heard(topic, b"") is None
    assert heard(topic, b"", retained=True) is None


def test_the_contact_uses_the_payloads_of_its_settings() -> None:
    """Other people's switches say it their own way."""
    assert heard("ats/contact", b"OPEN") == ContactChanged(7.0, open=True)
    assert heard("ats/contact", b"SHUT", retained=True) == ContactChanged(7.0, open=False, retained=True)


def test_a_contact_whose_device_is_gone_is_lost_and_its_return_is_a_sign_of_life() -> None:
    """A retained availability is not a sign of life."""
    assert isinstance(heard("ats/status", b"down"), ContactLost)
    assert isinstance(heard("ats/status", b"down", retained=True), ContactLost)
    assert heard("ats/status", b"up") == ContactAlive(7.0)
    assert heard("ats/status", b"up", retained=True) is None


def test_the_last_will_on_the_contacts_own_topic_is_understood() -> None:
    """Many devices write `offline` where their state stands; with and without that topic as availability_topic."""
    for availability_topic in ("ats/contact", None, "ats/status"):
        topics = Topics("home", (), ContactTopics("ats/contact", availability_topic))

        def parsed(payload: bytes, topics: Topics = topics, *, retained: bool = False) -> object:
            return next(iter(topics.read(IncomingMessage(7.0, "ats/contact", payload, retained))), None)

        assert isinstance(parsed(b"offline"), ContactLost)
        assert isinstance(parsed(b"offline", retained=True), ContactLost)
        assert parsed(b"online") == ContactAlive(7.0)
        assert parsed(b"online", retained=True) is None
        assert parsed(b"open") == ContactChanged(7.0, open=True)
        assert isinstance(parsed(b"away"), Rejection)


def test_one_topic_for_position_and_availability_is_subscribed_to_once() -> None:
    """A broker would send its retained message twice."""
    topics = Topics("home", (), ContactTopics("ats/contact", "ats/contact"))
    assert topics.contact_topics() == ("ats/contact",)


def test_the_contacts_device_is_asked_on_its_own_topic() -> None:
    """Not retained, with the payload of the file; without a topic it is not asked."""
    topics = Topics("home", (), ContactTopics("ats/contact", query_topic="ats/get", query_payload='{"contact": ""}'))
    query = topics.contact_query()
    assert query is not None
    assert (query.topic, query.payload, query.retain) == ("ats/get", b'{"contact": ""}', False)
    assert TOPICS.contact_query() is None


def test_the_contact_is_subscribed_to_first_and_its_availability_after_it() -> None:
    """Its word sheds; what is remembered of a device that is away ends as unknown."""
    assert TOPICS.contact_topics() == ("ats/contact", "ats/status")
    assert Topics("home").contact_topics() == ()


def test_each_devices_own_topics_are_subscribed_to_by_their_names() -> None:
    """RabbitMQ's MQTT plugin delivers no retained message to a subscription with a wildcard."""
    topics = Topics("home", [CircuitId("tub"), CircuitId("car")])
    base = "loadshed/home/breakers"
    assert topics.device_topics() == (
        *(f"{base}/tub/availability", f"{base}/car/availability"),
        *(f"{base}/tub/state", f"{base}/car/state"),
    )
    assert topics.device_topics([CircuitId("car")]) == (f"{base}/car/availability", f"{base}/car/state")


def test_requests_need_no_wildcard_where_the_broker_has_none() -> None:
    """Each kind of request has its own topic then."""
    topics = Topics("home").request_topics(wildcards=False)
    assert {"loadshed/home/ask/on", "loadshed/home/ask/drill-end", "loadshed/home/ask/any"} <= {*topics}
    assert not any("+" in topic for topic in topics)


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_becomes_an_event_with_the_ticket_for_its_answer() -> None:
    """Response topic and correlation data come back with the answer."""
    event = asked(
        "on",
        {"circuit": "hot-tub", "by": "Ada", "note": "guests", "now": True},
        response_topic="ada/answers",
        correlation=b"1",
    )
    assert event == Requested(7.0, "on", HOT_TUB, "Ada", "guests", now=True, reply=ReplyAddress("ada/answers", b"1"))


def test_restore_all_and_reload_name_no_circuit() -> None:
    """`all` is a word of `restore` alone; elsewhere it is a circuit's id."""
    assert asked("restore", {"circuit": "all"}) == Requested(7.0, "restore", None)
    assert asked("reload", b"") == Requested(7.0, "reload", None)
    assert asked("off", {"circuit": "all"}) == Requested(7.0, "off", CircuitId("all"))


@pytest.mark.parametrize(
    ("request_", "payload"),
    [
        ("on", b""),
        ("on", b"hot-tub"),
        ("on", b"[" * 4000),
        ("on", b'{"circuit":' * 300),
        ("on", b"\xff\x00"),
        ("on", b"[]"),
        ("on", b"null"),
        ("on", b"x" * 1_000_000),
        ("on", {"circuit": "cellar"}),
        ("on", {"circuit": 3}),
        ("on", {"circuit": ["hot-tub"]}),
        ("on", {"circuit": "hot-tub", "now": "yes"}),
        ("on", {"circuit": "hot-tub", "now": 1}),
        ("on", {"circuit": "hot-tub", "nwo": True}),
        ("on", {"circuit": "hot-tub", "by": "a\nb"}),
        ("on", {"circuit": "hot-tub", "note": "x" * 201}),
        ("reload", {"circuit": "hot-tub"}),
        ("ON", {"circuit": "hot-tub"}),
        ("explode", {"circuit": "hot-tub"}),
    ],
)
def test_a_wrong_request_is_refused_with_a_reason_to_the_sender(request_: str, payload: Any) -> None:
    """Every sender gets a reply, whatever was sent."""
    refusal = asked(request_, payload, response_topic="ada/answers", correlation=b"1")
    assert isinstance(refusal, Rejection)
    assert refusal.reply == ReplyAddress("ada/answers", b"1")
    assert refusal.reason.isprintable()


def test_a_retained_request_is_refused() -> None:
    """It would be asked again at every connection."""
    assert isinstance(asked("on", {"circuit": "hot-tub"}, retained=True), Rejection)
    assert asked("on", b"", retained=True) is None


@pytest.mark.parametrize(
    "topic",
    [
        "loadshed/home/breakers/hot-tub/set",
        "loadshed/home/breakers/hot-tub/state",
        "loadshed/other/breakers/hot-tub/set",
        "ats/contact",
        "ats/status",
        "$SYS/x",
        "a/+/b",
        "#",
        "",
        "x" * 201,
    ],
)
def test_no_answer_goes_where_devices_listen(topic: str) -> None:
    """A request must not make the controller write a breaker's topic."""
    event = asked("on", {"circuit": "hot-tub"}, response_topic=topic, correlation=b"1")
    assert isinstance(event, Requested)
    assert event.reply is None


def test_an_answer_may_go_below_answers() -> None:
    """That is where `loadshed ask` waits for it."""
    event = asked("on", {"circuit": "hot-tub"}, response_topic="loadshed/home/answers/x")
    assert isinstance(event, Requested)
    assert event.reply == ReplyAddress("loadshed/home/answers/x", None)


def test_a_correlation_heard_twice_repeats_and_the_oldest_is_forgotten() -> None:
    """The memory is bounded."""
    heard_before = DuplicateFilter(most=2)
    first, second, third = (ReplyAddress("a", bytes([n])) for n in range(3))
    assert [heard_before.repeats(ticket) for ticket in (first, first, second, third)] == [False, True, False, False]
    assert not heard_before.repeats(first)
    assert not heard_before.repeats(ReplyAddress("a", None))
    assert not heard_before.repeats(ReplyAddress("a", None))


# --- whatever anybody publishes --------------------------------------------------------------------------------------

ANY_TOPIC = st.sampled_from([STATE, AVAILABILITY, "ats/contact", "ats/status", "loadshed/home/ask/on"]) | st.text()
WORDS = st.sampled_from([b"ON", b"OFF", b"OPEN", b"down", b'{"circuit":"hot-tub"}'])


@given(ANY_TOPIC, st.binary() | WORDS | st.text().map(str.encode), st.booleans(), st.none() | st.text())
def test_nothing_that_is_published_raises(topic: str, payload: bytes, retained: bool, reply: str | None) -> None:
    """It ends as an event, a refusal, or nothing."""
    meant = next(iter(TOPICS.read(IncomingMessage(7.0, topic, payload, retained, reply, payload))), None)
    assert meant is None or isinstance(meant, Rejection) or hasattr(meant, "at")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(["on", "restore", "reload"]), JSON)
def test_no_json_raises(request_: str, body: object) -> None:
    """A request of any shape is an event or a refusal."""
    assert isinstance(asked(request_, json.dumps(body).encode()), Requested | Rejection)


# --- what we say -----------------------------------------------------------------------------------------------------


def said(payload: bytes) -> dict[str, Any]:
    """Return the fields of a JSON payload."""
    told = json.loads(payload)
    assert isinstance(told, dict)
    return told


def test_a_command_is_never_retained_and_expires() -> None:
    """QoS 1, and forgotten by the broker when its next try is due."""
    off = TOPICS.command(SwitchOff(HOT_TUB, 5))
    assert (off.topic, off.payload) == ("loadshed/home/breakers/hot-tub/set", b"OFF")
    assert (off.qos, off.retain, off.expiry_s) == (1, False, 5)
    assert TOPICS.command(SwitchOn(HOT_TUB, 60)).payload == b"ON"


def test_the_state_has_the_names_of_the_contract() -> None:
    """Times are RFC 3339 in UTC; no outage is null."""
    view = StateView("shedding", "standby", 1000.0, 3, (HOT_TUB,), (HOT_TUB,), (HOT_TUB,), (), (), kind="outage")
    told = TOPICS.state(view, WALL)
    assert (told.topic, told.retain) == ("loadshed/home/controller/state", True)
    assert said(told.payload) == {
        "state": "shedding",
        "source": "standby",
        "since": "2026-01-31T23:59:59.500Z",
        "outage": 3,
        "kind": "outage",
        "drill_until": None,
        "shed": ["hot-tub"],
        "unconfirmed": ["hot-tub"],
        "owed": ["hot-tub"],
        "uncontrollable": [],
        "taken_over": [],
        "stable_at": None,
        "flap_openings": 0,
        "generator_power_lost_at": None,
        "late_off_watch": [],
    }
    assert said(TOPICS.state(StateView("utility", "utility", 0.0), WALL).payload)["outage"] is None


def test_an_untrusted_clock_is_marked_beside_each_time() -> None:
    """A Pi wakes without knowing the day."""
    view = StateView("utility", "utility", 0.0)
    assert said(TOPICS.state(view, UNTRUSTED).payload)["clock"] == "untrusted"
    assert said(TOPICS.event(LogEvent(0.0, "started"), UNTRUSTED).payload)["clock"] == "untrusted"
    assert said(TOPICS.alarm(AlarmView("disk", 0.0, "", ""), UNTRUSTED).payload)["clock"] == "untrusted"
    assert "clock" not in said(TOPICS.state(view, WALL).payload)


def test_a_circuit_is_published_with_its_reason() -> None:
    """A circuit that is no longer in the file is cleared."""
    why = "never switched: no remote control"
    view = CircuitView(HOT_TUB, "Hot tub", Kind.STANDARD, Tag.NONESSENTIAL, False, Position.UNKNOWN, True, False, why)
    told = TOPICS.circuit(view, WALL)
    assert told.topic == "loadshed/home/circuits/hot-tub"
    assert said(told.payload) == {
        "name": "Hot tub",
        "breaker": "standard",
        "tag": "nonessential",
        "controllable": False,
        "position": "unknown",
        "available": True,
        "shed": False,
        "why": why,
        "switched_at": None,
        "owed": False,
        "protected": False,
        "spaces": [],
        "amps": None,
        "rank": 5,
        "hold": None,
        "remedy": None,
        "back_at": None,
        "waits_for": None,
        "power_w": None,
        "power_age_s": None,
    }
    assert TOPICS.cleared_circuit(HOT_TUB).payload == b""


def test_an_unknown_demand_is_null_and_never_nought() -> None:
    """Silence is not an idle house."""
    view = DemandView(None, False, Quality.STALE, None, None, None, 3.14159, ("demand_5min_kw",), 12.3, None)
    assert said(TOPICS.demand(view, 1000.0, WALL).payload) == {
        "kw": None,
        "kw_is_upper_bound": False,
        "kw_quality": "stale",
        "age_s": None,
        "demand_5min_kw": None,
        "demand_15min_kw": None,
        "peak_15min_kw": 3.142,
        "partial": ["demand_5min_kw"],
        "energy_kwh": 12.3,
        "totalizer_kwh": None,
        "at": "2026-01-31T23:59:59.500Z",
    }


def test_an_event_says_when_and_what_before_what_it_is_about() -> None:
    """What it is about cannot overwrite what it is."""
    happened = LogEvent(1000.0, "shed", HOT_TUB, {"attempt": 1, "event": "nonsense"})
    told = TOPICS.event(happened, WALL)
    assert (told.topic, told.qos, told.retain) == ("loadshed/home/events", 1, False)
    assert said(told.payload) == {
        "at": "2026-01-31T23:59:59.500Z",
        "event": "shed",
        "circuit": "hot-tub",
        "attempt": 1,
    }


def test_an_alarm_says_what_to_do_and_is_cleared_with_an_empty_word() -> None:
    """A retained topic with nothing in it is no topic."""
    told = TOPICS.alarm(AlarmView("owed", 1000.0, "Two loads are still off.", "Look.", (HOT_TUB,)), WALL)
    assert told.topic == "loadshed/home/alarms/owed"
    assert told.retain
    assert said(told.payload)["action"] == "Look."
    assert TOPICS.cleared_alarm("owed").payload == b""


def test_an_answer_goes_to_the_response_topic_with_its_correlation() -> None:
    """Without a reply address, no reply is sent."""
    answer = TOPICS.answer(SendReply(ReplyAddress("ada/answers", b"1"), ok=False, reason="it is tripped"))
    assert answer is not None
    assert (answer.topic, answer.correlation, answer.retain) == ("ada/answers", b"1", False)
    assert said(answer.payload) == {"ok": False, "reason": "it is tripped"}
    assert TOPICS.answer(SendReply(None, ok=True, reason="done")) is None


def test_an_invalid_number_is_never_sent() -> None:
    """NaN is no JSON: our own mistake, and said so."""
    with pytest.raises(ValueError, match="JSON"):
        payloads.to_json({"kw": float("nan")})
