"""Maintenance of the appliance: readiness, metrics, backups, upgrades, and support bundles."""
