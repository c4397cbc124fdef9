"""Output: what a verb says. Data goes to stdout, as text or as one JSON document; talk and errors go to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.cli import text

COLOUR_CHOICES = ("auto", "always", "never")
STATUS_COLOURS = {
    "ready": "green",
    "completed": "green",
    "in_progress": "cyan",
    "failed": "red",
    "stalled": "red",
    "blocked": "yellow",
    "paused": "yellow",
    "awaiting_approval": "yellow",
    "cancelled": "dim",
    "scheduled": "dim",
}


class OutputLost(DreamosError):
    """What was to be said could not be written. What was done is done."""

    code = "output_lost"

    def __init__(self, error: OSError) -> None:
        super().__init__(
            "the output could not be written",
            cause=error.strerror or str(error),
            fix="what was asked for has been done; dt show and dt list tell it again",
        )


class Output:
    """Where one call writes to. `as_json`: documents instead of text, and errors as JSON too."""

    def __init__(self, *, as_json: bool = False, colour: str = "auto") -> None:
        self.as_json = as_json
        self.colour = colour

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether a person reads along."""
        return sys.stdout.isatty()

    @property
    def stdout_shows_colours(self) -> bool:
        """Whether what is shown may be coloured."""
        return self._shows_colours(sys.stdout)

    @property
    def stderr_shows_colours(self) -> bool:
        """Whether talk may be coloured."""
        return self._shows_colours(sys.stderr)

    def document(self, value: Any) -> None:
        """One JSON document: indented for a person, in one ASCII line for a program."""
        if not self.stdout_is_terminal:
            self._write(json.dumps(value, separators=(",", ":")))
            return
        written = json.dumps(value, indent=2, ensure_ascii=False)
        self._write("".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in written))

    def json_line(self, value: Any) -> None:
        """One JSON value of a stream, at once."""
        self._write(json.dumps(value, separators=(",", ":")))
        self.flush()

    def line(self, words: str = "") -> None:
        """One line of text. What comes from tasks has to be `harmless` already."""
        self._write(words)

    def broken_line(self, words: str, *, indent: int = 2) -> None:
        """One line of text; for a person in as many as the terminal is narrow, broken between words."""
        if not self.stdout_is_terminal:
            self._write(words)
            return
        from dreamos_tasks.interfaces.cli.fitting import broken

        self._write("\n".join(broken(words, room=text.terminal_columns(), indent=indent)))

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Mapping[str, str] | None = None
    ) -> None:
        """Rows as plain aligned text; cells that are words in `colours` are shown in that colour.

        A person gets a header and lines that fit; a pipe gets rows alone, and whole.
        """
        if self.stdout_is_terminal:
            from dreamos_tasks.interfaces.cli.fitting import fitted

            head, *lined_up = fitted(header, rows, room=text.terminal_columns())
            self._write(self.painted(text.COLUMN_GAP.join(head).rstrip(), "bold"))
        else:
            lined_up = text.columns_of(rows)
        if colours and self._shows_colours(sys.stdout):
            lined_up = [[self.painted(cell, colours.get(cell.strip(), "")) for cell in cells] for cells in lined_up]
        if lined_up:
            self._write("\n".join(text.COLUMN_GAP.join(cells).rstrip() for cells in lined_up))

    def painted(self, words: str, colour: str) -> str:
        """The words in a colour, where stdout shows colours."""
        return text.coloured(words, colour) if colour and self._shows_colours(sys.stdout) else words

    def note(self, words: str) -> None:
        """Talk: a hint for a person, which no program needs."""
        if not self.as_json:
            self._talk(words)

    def hint(self, words: str) -> None:
        """What a program must be told too, such as that a list was cut."""
        self._talk(words)

    def error(self, error: DreamosError, *, others: Sequence[DreamosError] = ()) -> None:
        """What went wrong, why, and what to do: in three lines, or as JSON."""
        if self.as_json:
            form: dict[str, Any] = {"error": error_form(error)}
            if others:
                form["errors"] = [error_form(each) for each in (error, *others)]
            self._talk(json.dumps(form, indent=2 if sys.stderr.isatty() else None))
            return
        for each in (error, *others):
            for label, words in (("error", each.message), ("cause", each.cause), ("fix", each.fix)):
                if words:
                    self._labelled(label, words)

    def _labelled(self, label: str, words: str) -> None:
        colour = {"error": "red", "cause": "dim", "fix": "green"}[label]
        shown = text.coloured(f"{label}:", colour) if self._shows_colours(sys.stderr) else f"{label}:"
        self._talk(f"{shown} {text.harmless_block(words).replace(chr(10), chr(10) + '  ')}")

    def _shows_colours(self, stream: TextIO) -> bool:
        if self.colour != "auto":
            return self.colour == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def text(self, words: str) -> None:
        """Text as it is, at once and without a line end: a part of a stream."""
        self._write(words, end="")
        self.flush()

    def flush(self) -> None:
        """Hand over what was written. Raises OutputLost, or BrokenPipeError when nobody reads on."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error) from error

    def _write(self, words: str, *, end: str = "\n") -> None:
        try:
            print(words, end=end, file=sys.stdout)  # noqa: T201  this is the one place that prints
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error) from error

    def _talk(self, words: str) -> None:
        self.flush()  # on a terminal the two streams keep their order
        try:
            print(words, file=sys.stderr)  # noqa: T201
        except OSError:
            return  # nobody listens, and there is nobody left to tell


def error_form(error: DreamosError) -> dict[str, str]:
    """The error as the contract writes it."""
    form = {"code": error.code, "message": error.message, "cause": error.cause, "fix": error.fix}
    pointer = getattr(error, "pointer", "")
    return {**form, "pointer": pointer} if pointer else form


def _json_escape(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) != 0x7F else "\\u007f"
