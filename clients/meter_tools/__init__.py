"""The electrician's tools at the meter."""
