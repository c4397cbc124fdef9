"""A task's workspace: looked at and changed without ever leaving it, and changed so that it can be changed back."""
