"""Fitting: lines on a terminal, no wider than it. Of a table what says least gives way; other lines are broken."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dreamos_tasks.interfaces.cli.text import COLUMN_GAP, cut, width

FEWEST_COLUMNS_OF_LAST = 14  # a title that is cut further says nothing
WIDEST_FIRST = 12  # rows of longer ids are moved to the right, they alone
NARROWEST_MIDDLE = 10  # a state or a name that is cut further says nothing
NOTHING = frozenset({"", "-"})


def fitted(header: Sequence[str], rows: Sequence[Sequence[str]], *, room: int) -> list[list[str]]:
    """Header and rows with their cells padded. Where lines are too wide, columns that say nothing go, then wide ones are cut,
    then others go, from the right; the first and the last stay.
    """
    table = [header, *rows]
    last = len(header) - 1
    widths = {index: max(width(row[index]) for row in table) for index in range(last)}
    wanted = room - min(FEWEST_COLUMNS_OF_LAST, max(width(row[last]) for row in table))

    def is_too_wide() -> bool:
        return sum(widths.values()) + len(COLUMN_GAP) * len(widths) > wanted

    if is_too_wide() and widths:
        widths[0] = min(widths[0], WIDEST_FIRST)
    for index in range(1, last):
        if is_too_wide() and all(row[index] in NOTHING for row in rows):
            del widths[index]
    while is_too_wide() and (middle := {index: wide for index, wide in widths.items() if index}):
        widest = max(middle, key=middle.__getitem__)
        if middle[widest] > NARROWEST_MIDDLE:
            widths[widest] -= 1
        else:
            del widths[max(middle)]
    return [_line(row, widths, room) for row in table]


def broken(line: str, *, room: int, indent: int) -> list[str]:
    """The line in as many as it needs, broken between words, those behind the first moved in.

    A word that no line is wide enough for, such as a path, stays as it is.
    """
    indent = min(indent, room // 3)
    lines = [""]
    for gap, word in re.findall(r"(\s*)(\S+)", line):
        longer = f"{lines[-1]}{gap}{word}"
        is_full = width(longer) > room and bool(lines[-1].strip())
        if is_full and (indent + width(word) <= room or width(lines[-1]) > room):
            lines.append(" " * indent + word)
        else:
            lines[-1] = longer
    return lines


def _line(row: Sequence[str], widths: dict[int, int], room: int) -> list[str]:
    cells = []
    for index, wide in widths.items():
        cell = row[index] if index == 0 else cut(row[index], wide)
        cells.append(cell + " " * (wide - width(cell)))
        room -= width(cells[-1]) + len(COLUMN_GAP)
    return [*cells, cut(row[-1], max(1, room))]
