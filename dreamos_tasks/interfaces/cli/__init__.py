"""The command line: `dreamos-tasks`, or `dt` for short."""
