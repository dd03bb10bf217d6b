"""Topics of a house for the access list, from its two files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.broker_admin.acl import TopicLayout
from clients.broker_admin.device_access import contact_access, house_devices
from controller.config.model import DeviceContact, MqttContact

if TYPE_CHECKING:
    from controller.config.installer import Installer
    from rules.panel import Panel


def topic_layout(installer: Installer, panel: Panel) -> TopicLayout:
    """Return the topics of the contact and of all devices."""
    site, contact = installer.site.id, installer.contact
    devices = house_devices(panel, site, installer.devices)
    if isinstance(contact, DeviceContact):
        access = contact_access(contact.device, site, installer.devices)
        return TopicLayout(site, access.writes, access.reads, devices.with_contact(access))
    if not isinstance(contact, MqttContact):
        return TopicLayout(site, devices=devices)
    topics = tuple(dict.fromkeys(topic for topic in (contact.topic, contact.availability_topic) if topic))
    return TopicLayout(site, topics, (contact.query_topic,) if contact.query_topic else (), devices)
