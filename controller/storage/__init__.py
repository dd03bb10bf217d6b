"""SQLite storage of what must survive a power cut: ledger, event log and demand samples."""
