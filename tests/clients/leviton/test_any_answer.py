"""Whatever the cloud sends, the bridge neither ends nor publishes nonsense."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.leviton import signals as sig
from clients.leviton.bridge import Bridge
from clients.leviton.inventory import bindings
from hw.simulated.leviton_panel import simulated_hub
from tests.clients.leviton.leviton_house import circuits_of

WORDS = st.sampled_from(
    [
        *("id", "serial", "serialNumber", "data", "modelName", "modelId", "notification", "type", "status", "ready"),
        *("IotWhem", "ResidentialBreaker", "currentState", "remoteState", "ManualON", "RemoteOFF", "power", "poles"),
        *("1000_0012_3456", "SN34560001", "4C4556560001", "connected", "canRemoteOn", "position", "residenceId"),
        *("residentialAccountId", "LDATA-1", "", "version", "critical", "name", "currentRating", "model"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | WORDS
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6), max_leaves=20
)
MESSAGES = st.dictionaries(WORDS, JSON, max_size=6) | st.builds(
    lambda model, identity, data: {
        "type": "notification",
        "notification": {"modelName": model, "modelId": identity, "data": data},
    },
    WORDS,
    WORDS,
    JSON,
)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["push", "answer", "command"]), MESSAGES | JSON, st.integers(0, 599)), max_size=30
    )
)
def test_no_message_of_the_cloud_ends_the_bridge(script: list[tuple[str, Any, int]]) -> None:
    """REST answers of any status and shape, notifications of any shape, in any order."""
    circuits = circuits_of([simulated_hub(2)])
    bridge = Bridge(bindings(circuits).values())
    now, pending, link = 1.0, list[int](), 0
    effects = bridge.decide(sig.BusJoined(), now) + bridge.decide(sig.LoginChanged("person-1", None), now)

    def note(found: list[sig.BridgeEffect]) -> None:
        nonlocal link
        for effect in found:
            match effect:
                case sig.CallCloud():
                    pending.append(effect.number)
                case sig.OpenPush():
                    link = effect.link

    note(effects)
    note(bridge.decide(sig.PushOpened(link), now))
    note(bridge.decide(sig.PushReceived(link, {"type": "status", "status": "ready"}), now))
    for what, content, number in script:
        now += 0.5
        if what == "push" and isinstance(content, dict):
            note(bridge.decide(sig.PushReceived(link, content), now))
        elif what == "answer" and pending:
            status = 200 if number % 2 else number
            note(bridge.decide(sig.CloudAnswered(pending.pop(0), status, content), now))
        else:
            note(bridge.decide(sig.CircuitCommanded(circuits[0].id, bool(number % 2)), now))
        assert bridge.deadline(now) > 0
