"""From a claimed task to an Outcome: steps through tools, one after the other, each recorded before the next."""
