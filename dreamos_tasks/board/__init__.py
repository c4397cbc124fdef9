"""The board's one door: TaskNexus, and how others learn that something was written."""
