"""SqliteShelves: what a SQLite board keeps beside its tasks, by shelf and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dreamos_tasks.stores import sqlite_connection
from dreamos_tasks.stores.rows import decode, encode
from dreamos_tasks.stores.sqlite_session import SqliteSession

GET_FORM = "SELECT form FROM shelf WHERE shelf = ? AND key = ?"
PUT_FORM = "INSERT OR REPLACE INTO shelf (shelf, key, form) VALUES (?, ?, ?)"
REMOVE_FORM = "DELETE FROM shelf WHERE shelf = ? AND key = ?"
# U+10FFFF is no character, so no key goes on with it: what starts with the prefix stands before the prefix and that.
SCAN_SHELF = """
SELECT key, form FROM shelf WHERE shelf = ?1 AND key > ?2 AND key >= ?3 AND key < ?3 || char(0x10FFFF) ORDER BY key LIMIT ?4"""
SHELF_NAMES = "SELECT DISTINCT shelf FROM shelf ORDER BY shelf"

# What reading a row raises that no board of ours has written: a damaged page, or somebody's hand.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


class SqliteShelves:
    """See TaskStore for each of its verbs."""

    path: Path
    _session: SqliteSession

    def kept(self, shelf: str, key: str) -> Mapping[str, object] | None:
        """See TaskStore."""
        row = self._session.row(GET_FORM, (shelf, key))
        return self._form(row[0]) if row is not None else None

    def keep(self, shelf: str, key: str, form: Mapping[str, object] | None) -> None:
        """See TaskStore."""
        if not self._session.in_transaction:
            raise RuntimeError("keep needs an open transaction")
        if form is None:
            self._session.rows(REMOVE_FORM, (shelf, key))
        else:
            self._session.rows(PUT_FORM, (shelf, key, encode(form)))

    def all_kept(
        self, shelf: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Mapping[str, Mapping[str, object]]:
        """See TaskStore."""
        rows = self._session.rows(SCAN_SHELF, (shelf, after, prefix, limit))
        return {key: self._form(text) for key, text in rows}

    def shelves(self) -> Sequence[str]:
        """See TaskStore."""
        return [name for (name,) in self._session.rows(SHELF_NAMES)]

    def _form(self, text: str) -> Mapping[str, object]:
        try:
            form: Mapping[str, object] = decode(text)
        except UNREADABLE as error:
            raise sqlite_connection.unreadable(self.path, error) from error
        return form
