"""From files and memory to what a start works by."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from controller.bus.outage_classes import OutageClasses
from controller.bus.profiles.registry import profile_of
from controller.bus.profiles.schema import fill
from controller.bus.topics import ContactTopics, Topics
from controller.config.local_time import LocalTime
from controller.config.model import DeviceContact, GpioContact, MqttContact
from controller.core.engine import EngineSettings
from hw.broker_addresses import BrokerAddresses, is_numeric
from hw.broker_socket import Broker
from rules.contact_evidence import ContactEvidence
from rules.controllability import commandable
from rules.flapping import FlapSettings
from rules.outage_class import WEEKDAYS, ExerciseWindow
from rules.panel import Panel
from rules.shed import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.bus.contact_device import ContactDevice
    from controller.bus.profiles.family import ContactProfile
    from controller.bus.profiles.schema import Profile
    from controller.config.loader import Configuration
    from controller.core.effects import SavedState
    from controller.core.meter_tracker import MeterTracker
    from rules.panel import Circuit, CircuitId

CREDENTIAL = "broker.password"
"""The name under which the unit hands over the broker's password (`LoadCredential=`)."""


def engine_settings(configuration: Configuration) -> EngineSettings:
    """Return what the installer's file says to the decisions."""
    contact, shed, restore = configuration.contact, configuration.shed, configuration.restore
    profile = contact_profile(configuration)
    can_ask = profile is not None and profile.query is not None
    return EngineSettings(
        settle_s=contact.settle_s,
        contact_on_bus=not isinstance(contact, GpioContact),
        on_lost_shed=not isinstance(contact, GpioContact) and contact.on_lost == "shed",
        contact_expect_s=0.0 if isinstance(contact, GpioContact) else contact.expect_every_s,
        contact_query=(
            isinstance(contact, MqttContact) and contact.query_topic is not None if profile is None else can_ask
        ),
        contact_evidence=ContactEvidence.TOPIC.value if profile is None else profile.evidence.value,
        retry=RetryPolicy(shed.confirm_s, shed.eager_s),
        utility_stable_s=restore.utility_stable_s,
        stagger_s=restore.stagger_s,
        flapping=FlapSettings(restore.flap_transfers, restore.flap_window_s, restore.flap_wait_max_s),
        sample_s=configuration.meter.sample_s if configuration.meter is not None else 5.0,
        open_alarm_s=contact.open_alarm_h * 3600.0,
        companion_confirm_s=configuration.site.companion_confirm_s,
        generator_kw=configuration.generator.kw if configuration.generator is not None else None,
    )


def broker(configuration: Configuration) -> Broker:
    """Return where the broker is, with the password from the file named or from the unit's credential."""
    said = configuration.broker
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / CREDENTIAL
    password_file = Path(said.password_file) if said.password_file else credential
    return Broker(
        host=said.host,
        port=said.port,
        username=said.username,
        password_file=password_file if said.password_file or credential.exists() else None,
        ca_file=Path(said.ca_file) if said.ca_file else None,
        version=said.version,
    )


def broker_addresses(broker: Broker, saved: Callable[[], str | None]) -> BrokerAddresses:
    """Return the ways to the broker. `saved`: reads the address that its name had in an earlier run."""
    return BrokerAddresses(broker.host, broker.port, saved=None if is_numeric(broker.host) else saved())


def contact_topics(configuration: Configuration) -> ContactTopics | None:
    """Return the MQTT contact's topics and words; None where the contact is on a GPIO line, or at a known device.

    With `normally = "open"` the words change places: what the rules call open is standby, whatever the wires do.
    """
    contact = configuration.contact
    if not isinstance(contact, MqttContact):
        return None
    words = (contact.open, contact.closed) if contact.normally == "closed" else (contact.closed, contact.open)
    return ContactTopics(
        contact.topic,
        contact.availability_topic,
        *words,
        available=contact.available,
        unavailable=contact.unavailable,
        query_topic=contact.query_topic,
        query_payload=contact.query_payload,
    )


def contact_profile(configuration: Configuration) -> ContactProfile | None:
    """Return how the contact's device reports it; None unless `[contact] device` names one."""
    contact = configuration.contact
    if not isinstance(contact, DeviceContact):
        return None
    return fill(configuration.installer.devices.contact(contact.device), {"site": configuration.site.id})


def contact_device(configuration: Configuration) -> ContactDevice | None:
    """Return the reader of the contact's device; None unless `[contact] device` names one."""
    contact, profile = configuration.contact, contact_profile(configuration)
    if profile is None or not isinstance(contact, DeviceContact):
        return None
    from controller.bus.contact_device import ContactDevice  # few houses have one

    closed = contact.normally == "closed"
    return ContactDevice(profile, closed_on_utility=closed, reports_life=contact.expect_every_s > 0.0)


def topics(configuration: Configuration, panel: Panel) -> Topics:
    """Return the topics of the house. `panel`: the panel in force at this start."""
    site = configuration.site
    local_time = LocalTime.of(site.timezone, site.clock)
    classes = OutageClasses(configuration.installer.outage.blink_s, _exercise(configuration), local_time)
    profiles = device_profiles(configuration, panel)
    contact, device = contact_topics(configuration), contact_device(configuration)
    return Topics(site.id, panel.circuits.keys(), contact, local_time, classes, profiles, device)


def device_profiles(configuration: Configuration, panel: Panel) -> dict[CircuitId, Profile]:
    """Return the profile of each circuit whose device does not use loadshed's own topics."""
    catalog, site = configuration.installer.devices, configuration.site.id
    return {one.id: profile_of(one, site, catalog) for one in panel if one.device is not None}


def _exercise(configuration: Configuration) -> ExerciseWindow | None:
    exercise = configuration.installer.exercise
    if exercise is None:
        return None
    hours, minutes = exercise.at.split(":")
    return ExerciseWindow(WEEKDAYS.index(exercise.weekday), 60 * int(hours) + int(minutes), exercise.for_min)


def meter_tracker(configuration: Configuration, now: float, counted: int, kwh_counted: int = 0) -> MeterTracker | None:
    """Return the meter tracker; None if no meter is configured.

    `counted`, `kwh_counted`: edges of the 10 Wh and of the 1 kWh output counted before this start.
    """
    meter = configuration.meter
    if meter is None:
        return None
    # Imported here: a house without a meter does not need it at a cold start.
    from controller.core.meter_tracker import MeterTracker, MeterTrackerSettings
    from hw import models

    model = models.parse(meter.model)
    max_kw = model.rated_kw if isinstance(model, models.Model) else None
    pulses, kwh_pulses = meter.pulse_pin is not None, meter.pulse_kwh_pin is not None
    return MeterTracker(MeterTrackerSettings(max_kw, meter.poll_s, pulses, kwh_pulses), now, counted, kwh_counted)


def initial_panel(
    panel: Panel, memory: SavedState, last_entry: Callable[[CircuitId], Circuit | None]
) -> tuple[Panel, tuple[str, ...]]:
    """Return the panel of a start, and the errors in the file.

    An owed circuit that the file drops or makes uncommandable keeps its last valid entry until it is restored.
    """
    circuits, wrong = dict(panel.circuits), []
    for circuit, row in memory.entries.items():
        if row.get("shed_record") is None or (circuit in panel and commandable(panel[circuit])):
            continue
        if (entry := last_entry(circuit)) is None or not commandable(entry):
            continue
        circuits[circuit] = entry
        how = "may no longer be commanded" if circuit in panel else "is missing"
        wrong.append(
            f"circuits.toml: [circuits.{circuit}] {how}, but the controller switched it off and it is still owed: it "
            f"keeps its last valid entry until it is restored (or `loadshed ask forget {circuit}`)"
        )
    return Panel(circuits), tuple(wrong)
