"""What a broker may be like: passwords, access lists, TLS, and names that are not found."""

from __future__ import annotations

import logging
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from clients.broker_admin import certificates
from controller.bus.messages import Publication
from controller.core.effects import SwitchOff
from controller.core.events import BreakerReported, BusConnected, ContactChanged, Requested
from controller.runtime.broker_watch import certificate_trouble
from hw.broker_socket import Broker, BrokerError
from hw.broker_tls import CertificateDates, _chain
from hw.mqtt import MqttConnection
from rules.panel import CircuitId
from tests.controller.bus.bus_world import (
    CIRCUITS,
    HOT_TUB,
    TOPICS,
    listening,
    run,
    sets,
    settled,
    world,
)
from tests.mosquitto import Mosquitto
from tests.scripted_broker import Limits, ScriptedBroker

if TYPE_CHECKING:
    from pathlib import Path


async def refused(broker: Broker) -> str:
    """Return the sentence with which a connection fails."""
    try:
        link = await MqttConnection.open(broker, "curious")
    except BrokerError as error:
        return str(error)
    await link.close()
    return "accepted"


def password_file(folder: Path, name: str, password: str) -> Path:
    """Write a password as an owner would, with a line's end."""
    file = folder / name
    file.write_text(password + "\n", encoding="utf-8")
    return file


def test_a_password_is_needed_and_its_absence_explained(tmp_path: Path) -> None:
    """The sentence names the settings to look at."""
    users = tmp_path / "users"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(users), "loadshed", "secret"], check=True, capture_output=True, timeout=60
    )
    users.chmod(0o644)
    right, wrong = password_file(tmp_path, "right", "secret"), password_file(tmp_path, "wrong", "guess")
    with Mosquitto(tmp_path, f"password_file {users}", "allow_anonymous false") as mosquitto:
        named = replace(mosquitto.broker, username="loadshed")
        assert run(refused(replace(named, password_file=right))) == "accepted"
        assert "password" in run(refused(replace(named, password_file=wrong)))
        assert "password" in run(refused(replace(named, password_file=wrong, version="3.1.1")))
        assert "not authorized" in run(refused(mosquitto.broker))
        assert "cannot read" in run(refused(replace(named, password_file=tmp_path / "none")))


def test_what_the_access_list_forbids_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broker drops what is not allowed without a word to anybody else."""
    rules = tmp_path / "acl"
    rules.write_text("topic read loadshed/#\n", encoding="utf-8")
    rules.chmod(0o644)

    async def story() -> None:
        async with listening(strict.broker) as listener:
            await listener.until(BusConnected)
            listener.bus.publish(TOPICS.command(SwitchOff(HOT_TUB, 5)))
            link = listener.bus._link
            assert link is not None
            while not caplog.records:
                await link.wait(0.1)

    with Mosquitto(tmp_path, f"acl_file {rules}") as strict, caplog.at_level(logging.WARNING):
        run(story())
    assert "access list" in caplog.text


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost on the spot; return it and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    key.chmod(0o644)
    return cert, key


def test_tls_works_and_a_wrong_certificate_is_refused(tmp_path: Path) -> None:
    """Forty commands and a megabyte pass through it; an unknown certificate does not."""
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other")

    async def story(broker: Broker) -> int:
        async with listening(broker) as listener, world(broker, "#") as other:
            await listener.ready()
            for circuit in CIRCUITS:
                listener.bus.publish(TOPICS.command(SwitchOff(circuit, 5)))
            listener.bus.publish(Publication("settled", b"x" * 1_000_000))
            return len(sets(await other.until(settled)))

    with Mosquitto(tmp_path, f"certfile {cert}", f"keyfile {key}") as mosquitto:
        tls = replace(mosquitto.broker, ca_file=cert)
        assert run(story(tls)) == len(CIRCUITS)
        assert run(refused(replace(tls, host="localhost"))) == "accepted"
        assert "is not signed by" in run(refused(replace(tls, ca_file=stranger)))
        assert "ca_file" in run(refused(replace(tls, ca_file=key)))
        assert "closed the connection at once" in run(refused(mosquitto.broker))


def test_tls_to_a_plain_listener_is_explained(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The port is often the only thing that is wrong."""
    cert, _ = certificate(tmp_path)
    assert "TLS listener" in run(refused(replace(mosquitto.broker, ca_file=cert)))


@pytest.mark.parametrize("host", ["192.168.1..5", ".lan", f"{'x' * 64}.lan"])
def test_a_host_that_is_no_name_is_a_broker_that_cannot_be_reached(host: str) -> None:
    """What Python's codec for names says of it is no accident of ours: one sentence, at once."""
    with pytest.raises(BrokerError, match="was not found"):
        run(MqttConnection.open(Broker(host=host), "curious"))


def test_a_name_that_is_not_found_is_explained() -> None:
    """`.invalid` never is."""
    assert "write its address" in run(refused(Broker(host="broker.invalid")))


def test_nothing_waits_for_a_resolver_that_hangs(mosquitto: Mosquitto) -> None:
    """A name is looked up beside the loop; `localhost` shows the way is whole."""
    assert run(refused(replace(mosquitto.broker, host="localhost"))) == "accepted"


def test_retained_reports_arrive_from_a_broker_that_sends_none_to_wildcards() -> None:
    """As RabbitMQ's MQTT plugin: positions and availability of every circuit, and the contact's."""

    async def story(broker: ScriptedBroker) -> set[CircuitId]:
        for circuit in CIRCUITS:
            broker.retained[f"loadshed/home/breakers/{circuit}/state"] = b"ON"
            broker.retained[f"loadshed/home/breakers/{circuit}/availability"] = b"online"
        broker.retained["ats/contact"] = b"open"
        async with listening(replace(broker.broker, version="3.1.1")) as listener:
            await listener.until(BreakerReported, len(CIRCUITS))
            await listener.until(ContactChanged)
            return {event.circuit for event in listener.events if isinstance(event, BreakerReported)}

    with ScriptedBroker(Limits(retained_to_wildcards=False)) as broker:
        assert run(story(broker)) == {*CIRCUITS}


def test_a_broker_without_wildcards_delivers_reports_and_requests() -> None:
    """Nothing is subscribed to by a wildcard there."""

    async def story(broker: ScriptedBroker) -> Requested:
        async with listening(broker.broker) as listener:
            await listener.ready()
            broker.distribute_from_outside("loadshed/home/ask/on", b'{"circuit": "hot-tub"}')
            return await listener.until(Requested)

    with ScriptedBroker(Limits(wildcards_available=False)) as broker:
        assert run(story(broker)).circuit == HOT_TUB
        assert broker.violations == []


def test_a_circuit_that_left_the_file_is_no_longer_listened_to(mosquitto: Mosquitto) -> None:
    """Its device may go on to report."""
    cellar = CircuitId("cellar")

    async def story() -> list[CircuitId]:
        async with listening(mosquitto.broker, replace(TOPICS, circuits=[cellar, HOT_TUB])) as listener:
            await listener.ready()
            listener.bus.set_topics(replace(TOPICS, circuits=[HOT_TUB]))
            async with world(mosquitto.broker) as other:
                other.say("loadshed/home/breakers/cellar/state", b"ON")
                other.say("loadshed/home/breakers/hot-tub/state", b"ON")
                await listener.until(BreakerReported)
            return [event.circuit for event in listener.events if isinstance(event, BreakerReported)]

    assert run(story()) == [HOT_TUB]


# --- the dates of certificates ---------------------------------------------------------------------------------------


def dated(folder: Path, monkeypatch: pytest.MonkeyPatch, begins: str, ends: str, name: str = "127.0.0.1") -> Path:
    """Make an authority and a broker's certificate with these dates; return their folder."""
    monkeypatch.setattr(certificates, "_FROM", begins)
    monkeypatch.setattr(certificates, "_UNTIL", ends)
    folder.mkdir()
    certificates.make(folder, [name], "nogroup")
    return folder


@pytest.mark.parametrize(
    ("begins", "ends"), [("20990101000000Z", "21090101000000Z"), ("20200101000000Z", "20210101000000Z")]
)
def test_the_dates_of_a_certificate_refuse_no_connection_and_everything_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: str, ends: str
) -> None:
    """The issuer and the name are checked as before. The dates are known to who asks for them."""
    ours = dated(tmp_path / "ours", monkeypatch, begins, ends)
    stranger = dated(tmp_path / "stranger", monkeypatch, begins, ends)

    async def dates(broker: Broker) -> CertificateDates | None:
        link = await MqttConnection.open(broker, "curious")
        try:
            return link.certificate_dates
        finally:
            await link.close()

    with Mosquitto(tmp_path, f"certfile {ours}/broker.crt", f"keyfile {ours}/broker.key") as mosquitto:
        tls = replace(mosquitto.broker, ca_file=ours / "ca.crt")
        found = run(dates(tls))
        assert found is not None
        assert datetime.fromtimestamp(found.begins, UTC).strftime("%Y%m%d%H%M%SZ") == begins
        assert datetime.fromtimestamp(found.ends, UTC).strftime("%Y%m%d%H%M%SZ") == ends
        assert "is not signed by" in run(refused(replace(tls, ca_file=stranger / "ca.crt")))
        assert "is not signed by" in run(refused(replace(tls, host="localhost")))


def test_the_dates_of_the_issuer_count_too() -> None:
    """Of two with the same name the one that lasts longer; an issuer that is not in the file is not known."""

    def certificate(name: str, issuer: str, begins: str, ends: str) -> dict[str, str]:
        return {"subject": name, "issuer": issuer, "notBefore": f"{begins} GMT", "notAfter": f"{ends} GMT"}

    leaf = certificate("broker", "ca", "Jan  1 00:00:00 2026", "Jan  1 00:00:00 2036")
    old = certificate("ca", "ca", "Jan  1 00:00:00 2016", "Jan  1 00:00:00 2026")
    new = certificate("ca", "ca", "Jan  1 00:00:00 2025", "Jan  1 00:00:00 2030")
    other = certificate("other", "other", "Jan  1 00:00:00 2016", "Jan  1 00:00:00 2017")
    assert _chain(leaf, [old, other, new]) == [leaf, new]
    assert _chain(leaf, [other]) == [leaf]
    assert _chain(old, [old]) == [old]


def test_the_trouble_with_dates_is_a_sentence_of_days() -> None:
    """Within them, and without TLS, there is none."""
    dates = CertificateDates(86_400.0, 3 * 86_400.0)
    assert certificate_trouble(None, 0.0) is None
    assert certificate_trouble(dates, 2 * 86_400.0) is None
    assert certificate_trouble(dates, 0.0) == "by this machine's clock, it is valid only from 1970-01-02 on"
    assert certificate_trouble(dates, 4 * 86_400.0) == "by this machine's clock, it expired on 1970-01-04"
