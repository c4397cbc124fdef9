"""Token estimate: how many tokens a language model takes for a text at most, without asking one. Pure."""

from __future__ import annotations

import re

# What the vocabularies in use agree on: a common word is one token, a long one breaks into pieces of about four letters;
# up to three digits are one; a space goes with the word behind it; signs mostly stand alone. What is not ASCII costs two.
_PIECE = re.compile(r"(?P<letters>[A-Za-z]+)|(?P<digits>[0-9]+)|(?P<spaces>[ \t]+)|(?P<other>.)", re.DOTALL)
LETTERS_A_TOKEN = 4
DIGITS_A_TOKEN = 2
SPACES_FREE = 1
TOKENS_OF_OTHER_SCRIPTS = 2  # a character; rarely three, and Latin letters with accents take less


def estimated_tokens(text: str) -> int:
    """No fewer than a model takes for prose, commands and ids; about a third more than most do."""
    return sum(map(_cost, _PIECE.finditer(text)))


def _cost(found: re.Match[str]) -> int:
    piece, kind = found[0], found.lastgroup
    if kind == "letters":
        return -(-len(piece) // LETTERS_A_TOKEN)
    if kind == "digits":
        return -(-len(piece) // DIGITS_A_TOKEN)
    if kind == "spaces":
        return min(1, len(piece) - SPACES_FREE)
    return 1 if piece.isascii() else TOKENS_OF_OTHER_SCRIPTS
