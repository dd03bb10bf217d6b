"""What keeps the appliance fit: readiness, figures, copies, upgrades, and what a bug report needs."""
