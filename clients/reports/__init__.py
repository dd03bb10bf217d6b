"""An outage, told: as text, rows, JSON, a page."""
