"""Who may do what on the broker: users, their topics, passwords and certificates, in Mosquitto's own files."""
