"""Where boards are kept: SQLite by default, a JSON file, or memory. All pass the same suite in tests/stores/."""
