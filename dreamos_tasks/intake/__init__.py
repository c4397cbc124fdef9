"""How work comes in from outside: strict JSON, drafts, JSON Schemas, and the inbox that files are dropped into."""
