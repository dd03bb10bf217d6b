"""What must outlive the power: the ledger, the log and the demand rows in SQLite."""
