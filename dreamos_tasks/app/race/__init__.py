"""Races on a board of their own: real processes claim, add, work and are killed, and an auditor says whether all held."""
