"""The HTTP face of the daemon: server, guard, sign-in, the JSON API, the live feed, and the dashboard."""
