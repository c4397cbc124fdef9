"""Setup of agents' programs: what is written into their settings so that they work from a board, and taken out again."""
