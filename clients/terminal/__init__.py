"""Terminal output shared by the commands: tables, durations, exit codes."""
