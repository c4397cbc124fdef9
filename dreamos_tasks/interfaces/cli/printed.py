"""Printed: what a program printed, for a terminal: in its colours, and with nothing in it that could do the terminal harm."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dreamos_tasks.interfaces.cli.text import harmless

RESET = "\x1b[0m"
MOST_KEPT = 32  # sequences in force at once: who colours with more has forgotten to end them
_SEQUENCE = re.compile(
    r"(\x1b\[[0-9;:]*m|\x1b\[[0-9]*K)"
)  # colours; and the rest of a line erased, which gcc does with each
_UNFINISHED = re.compile(r"(?:\r|\x1b(?:\[[0-9;:]{0,64})?)\Z")  # what the next part of a stream may complete
_NUMBER = r"(?:\d{1,3})"
_MIXED = rf"[34]8(?:[;:]5[;:]{_NUMBER}|;2;{_NUMBER};{_NUMBER};{_NUMBER}|:2:{_NUMBER}?(?::{_NUMBER}){{3}})"
# Bold, dim, italic, underlined, reversed, and their ends; colours. Not: blinking, and what hides the text.
_PLAIN = r"0?[0-47]|2[1-47]|[34][0-79]|9[0-7]|10[0-7]|"
_COLOURS = re.compile(rf"\x1b\[(?:{_MIXED}|{_PLAIN})(?:;(?:{_MIXED}|{_PLAIN}))*m")
_FRESH = re.compile(r"\x1b\[0*[;m]")  # it ends all before it


class Printed:
    """A stream, part by part: each part ends in the terminal's own colours, and the next goes on in those of the stream."""

    def __init__(self, *, in_colour: bool) -> None:
        self._in_colour = in_colour
        self._style: list[str] = []
        self._held_back = ""

    def feed(self, part: str) -> str:
        """What is to be shown of this part, and of what was held back before it."""
        text = self._held_back + part
        unfinished = _UNFINISHED.search(text)
        self._held_back = unfinished[0] if unfinished else ""
        return self._shown(text[: len(text) - len(self._held_back)])

    def rest(self) -> str:
        """What was held back, when nothing more comes."""
        text, self._held_back = self._held_back, ""
        return self._shown(text)

    def _shown(self, text: str) -> str:
        before = "".join(self._style)
        shown = "".join(self._pieces(text))
        if not shown:
            return ""
        return f"{before}{shown}{RESET}" if before or self._style else shown

    def _pieces(self, text: str) -> Iterator[str]:
        for index, piece in enumerate(_SEQUENCE.split(text)):
            if index % 2 == 0:
                yield harmless(piece.replace("\r\n", "\n"), keep="\n\t")
            elif self._in_colour and _COLOURS.fullmatch(piece):
                self._style = [] if _FRESH.match(piece) else self._style[1 - MOST_KEPT :]
                if piece not in (RESET, "\x1b[m"):
                    self._style.append(piece)
                yield piece
