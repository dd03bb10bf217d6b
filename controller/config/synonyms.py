"""Words that people use in place of a table, a key or a value of the configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.config.errors import closest_match

if TYPE_CHECKING:
    from collections.abc import Collection

# Meant → words for it. A word may stand in several rows: the first row that exists in the table at hand counts.
_KEYS = {
    # tables
    "circuits": "circuit breakers loads load devices appliances branch branches panel",
    "broker": "mqtt mosquitto mqtt_broker server connection",
    "site": "house home location installation",
    "contact": "switch ats transfer_switch transfer input gpio aux auxiliary aux_contact sensor",
    "meter": "energy energy_meter power_meter kwh_meter modbus",
    "store": "storage database db history log logging",
    "generator": "genset gen backup standby",
    "shed": "shedding load_shedding",
    "restore": "restoring restoration restore_mode auto_restore back on_return return",
    "exercise": "exerciser self_test weekly_test",
    "outage": "outages blackout",
    "ups": "battery battery_backup usv uninterruptible_power_supply",
    # keys of a circuit
    "rank": "priority prio order level importance sequence shed_order shed_priority stage",
    "name": "label title description desc display_name friendly_name circuit_name text caption",
    "breaker": "type kind breaker_type breaker_kind breaker_model generation gen model_type model device switch_type",
    "space": "spaces slot slots position positions pos number no poles pole circuit circuit_number breaker_number row",
    "amps": "amp ampere amperes amperage rating size breaker_size current max_amps a watts watt power wattage load kw",
    "tag": "category class group essential nonessential non_essential critical necessity shed sheddable",
    "min_off_s": "min_off minimum_off minimum_off_s off_time rest rest_s delay delay_s min_off_time cooldown",
    "protected": "protect locked lock never_off always_on never_shed keep keep_on do_not_shed",
    "override": "manual override_mode manual_override allow_override",
    "wakes": "power_on power_on_behavior power_on_behaviour startup power_on_state default_state initial_state",
    "shed_by": "shedder controlled_by",
    # keys of installer.toml
    "host": "hostname server address ip ip_address broker url uri broker_host mqtt_host mqtt_server broker_address",
    "username": "user login user_name mqtt_user login_name account",
    "password_file": "password passwd pass pwd passwordfile password_path secret mqtt_password",
    "ca_file": "ca cafile ca_cert ca_certificate certificate cert cert_file tls_ca ca_path tls ssl certs",
    "version": "mqtt_version protocol protocol_version",
    "pin": "gpio gpio_pin input bcm bcm_pin gpio_number pin_number line",
    "source": "type kind input mode via from",
    "topic": "state_topic mqtt_topic contact_topic",
    "availability_topic": "availability lwt lwt_topic will_topic status_topic",
    "available": "payload_available online payload_online",
    "unavailable": "payload_not_available payload_unavailable offline payload_offline",
    "open": "payload_open payload_off open_payload",
    "closed": "payload_closed payload_on closed_payload",
    "normally": "normal normal_state nc no nc_no contact_type polarity inverted invert",
    "settle_s": "debounce debounce_s settle debounce_ms debounce_time settle_time",
    "id": "site_id house_id name house identifier",
    "timezone": "time_zone tz zone",
    "clock": "time_format hours hour_format clock_format",
    "port": "device serial serial_port tty serial_device tcp_port mqtt_port broker_port url",
    "device_id": "slave slave_id unit unit_id modbus_id address modbus_address id node",
    "poll_s": "interval interval_s poll poll_interval scan_interval poll_time",
    "kw": "power kilowatts kva rated_kw rated_power watts watt capacity size rating max_kw kw_rating",
    "present": "installed exists available has_ups enabled have",
    "utility_stable_s": "stable_s stable utility_stable wait wait_s return_delay retransfer_delay",
    "stagger_s": "stagger gap gap_s step_s delay_between interval_s delay delay_s",
    "confirm_s": "confirm timeout timeout_s ack_timeout confirm_timeout retry_s",
    "samples_days": "days retention keep_days retention_days sample_days",
    "for_min": "duration minutes duration_min length length_min",
    "at": "time start start_time hour",
    "weekday": "day day_of_week",
}
_VALUES = {
    "gen2": "smart 2nd-gen second-gen 2nd-generation second-generation leviton lb2 gen-2 2 second remote g2",
    "gen1": "1st-gen first-gen 1st-generation first-generation gen-1 1 first g1",
    "standard": "dumb regular normal plain conventional ordinary none manual basic mechanical thermal-magnetic",
    "relay": "shelly tasmota zigbee zwave z-wave switch contactor plug smart-plug wifi smart-switch",
    "essential": "critical important necessary must must-run vital keep always yes high required",
    "nonessential": "optional noncritical non-critical unimportant luxury shed sheddable no low convenience deferrable",
    "auto": "automatic automatically yes true on always restore",
    "ask": "manual manually confirm prompt request user on-request",
    "never": "no false off none stay-off",
    "allow": "yes true on auto allowed ok",
    "as-was": "previous last restore keep same as-before memory last-state as-is",
    "off": "open 0 power-off",
    "closed": "nc normally-closed close",
    "open": "no normally-open opened",
    "gpio": "pin wire wired raspberry pi rpi",
    "mqtt": "bus broker topic network",
    "5": "v5 5.0 mqtt5 mqttv5 v5.0",
    "3.1.1": "v3.1.1 3 v3 3.1 311 4 mqttv311",
    "12h": "12 am/pm ampm 12-hour us",
    "24h": "24 24-hour military",
    "hold": "keep wait unknown ignore",
    "shed": "standby drop off",
    "loadshed": "controller self us",
    "panel": "leviton lwhem lwhem-2 monitor",
}
_FAMILIES = {
    "zigbee2mqtt": "z2m zigbee zigbee2mqtt2 zha",
    "zwave": "z-wave zwavejs zwave-js zwave-js-ui zwavejsui zwave2mqtt",
    "homeassistant": "ha hass home-assistant home_assistant",
    "tasmota": "sonoff",
    "shelly": "shellies",
    "span": "ebus",
}


def key_meant(word: str, known: Collection[str]) -> str | None:
    """Return the known table or key that is meant by another word for it; None: no word in the list."""
    return _meant(_KEYS, word.strip().lower().replace("-", "_").replace(" ", "_"), known)


def value_meant(word: str, known: Collection[str]) -> str | None:
    """Return the known value that is meant by another word for it; None: no word in the list."""
    return _meant(_VALUES, word.strip().lower().replace("_", "-").replace(" ", "-"), known)


def family_meant(word: str, known: Collection[str]) -> str | None:
    """Return the family of devices that is meant by another name for it, or the nearest; None: none is near."""
    return _meant(_FAMILIES, word.strip().lower(), known) or closest_match(word, known)


def _meant(rows: dict[str, str], word: str, known: Collection[str]) -> str | None:
    return next((meant for meant, words in rows.items() if meant in known and word in words.split()), None)
