"""Routes of the JSON API, one file a group of verbs. What they share is in `asking`."""
