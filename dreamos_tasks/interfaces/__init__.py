"""How people, agents and systemd reach the board."""
