"""How systemd reaches the daemon, and how the daemon answers it: the unit, its installation, notifications."""
