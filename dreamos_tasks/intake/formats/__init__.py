"""Boards that others keep, read into drafts: one file a format."""
