"""Report of an outage: as text, CSV, JSON, HTML."""
