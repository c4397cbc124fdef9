"""Looking after what nobody moves: tasks that wait too long, leases that ran out, agents that fell silent."""
