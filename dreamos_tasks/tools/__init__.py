"""What a step can call: a shell line, and whatever else is plugged in; and the processes that tools start."""
