"""Terminal output and options shared by the commands: tables, durations, local times, exit codes."""
