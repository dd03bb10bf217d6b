"""Profiles of device families: topics, payloads and what their messages prove, one family per file."""
