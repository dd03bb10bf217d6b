"""The two files: read, judged, explained; and the ones that were in force."""
