"""Failure: what can be seen of something that failed, sorted into a category with its cause and what a person can do.

One table, ROWS; the first row that matches decides, so its order is one of certainty:

1. exit codes that mean one thing only: 75, 126, 127, and the signals that come from outside;
2. HTTP statuses;
3. errors of Python and its libraries, by their type and number;
4. words in what was printed or answered: a guess, which never overrules what stands above it;
5. exit codes that mean something by custom only, and crashes, of which the words may know more;
6. what nobody knows: `logic`, the work itself is wrong.

A row that names several kinds of evidence asks for one of each. When in doubt between transient and something else a row
says transient: a few attempts too many cost seconds, a night's work given up costs the night.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.failure_answers import CERTAIN_EXITS, CUSTOMARY_EXITS, HTTP_STATUSES
from dreamos_tasks.model.failure_errors import ERRORS
from dreamos_tasks.model.failure_row import Row
from dreamos_tasks.model.failure_words import WORDS
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.value import frozen_value

SPOKEN_LINES = 20  # of a text: a program says why it ends at its end; what stands further up may be of something else
SPOKEN_CHARACTERS = 4000
SHOWN_CHARACTERS = 200  # of the line that decided, in the cause
LONGEST_CHAIN = 8  # errors behind an error

UNKNOWN = Row(name="unknown", category=ErrorCategory.LOGIC, cause="")
ROWS = (*CERTAIN_EXITS, *HTTP_STATUSES, *ERRORS, *WORDS, *CUSTOMARY_EXITS, UNKNOWN)


@frozen_value
class Symptom:
    """What can be seen of a failure: any of these, or several. `text` is what was printed or answered; its end counts.

    `exit_code` is 128 + N when signal N ended the program.
    """

    error: BaseException | None = None
    exit_code: int | None = None
    http_status: int | None = None
    text: str = ""


@frozen_value
class Diagnosis:
    """What a failure is. `cause` is empty when nothing is known beyond the symptom itself.

    `try_later`: it is deferred (exit 75), tried again without counting an attempt spent.
    """

    category: ErrorCategory
    cause: str
    suggestions: tuple[str, ...] = ()
    try_later: bool = False


@frozen_value
class _Evidence:
    exit_code: int | None
    http_statuses: frozenset[int]
    error_numbers: frozenset[int]
    error_types: frozenset[str]
    smtp_codes: frozenset[int]
    words: str


def diagnose(symptom: Symptom) -> Diagnosis:
    """What the failure is, by the first row of the table that knows it."""
    evidence = _evidence(symptom)
    row, found = _first(evidence)
    cause, suggestions = row.cause, row.suggestions
    if found is not None:
        cause = f"{cause}: {_line_around(evidence.words, found)}"
    if isinstance(symptom.error, DreamosError):  # it says these itself
        cause = symptom.error.cause or cause
        suggestions = (symptom.error.fix,) if symptom.error.fix else suggestions
    elif not cause and symptom.error is not None:
        cause = type(symptom.error).__name__
    return Diagnosis(category=row.category, cause=cause, suggestions=suggestions, try_later=row.try_later)


def row_for(symptom: Symptom) -> Row:
    """The row of the table by which `diagnose` decides."""
    return _first(_evidence(symptom))[0]


def _first(evidence: _Evidence) -> tuple[Row, re.Match[str] | None]:
    for row in ROWS:
        if _sees(row, evidence):
            found = _compiled(row.text).search(evidence.words) if row.text else None
            if not row.text or found is not None:
                return row, found
    raise AssertionError("the last row knows everything")


def _sees(row: Row, evidence: _Evidence) -> bool:
    """Whether all that the row asks for, its text aside, is there."""
    return (
        (row.exit_codes is None or evidence.exit_code in row.exit_codes)
        and (row.http_statuses is None or not row.http_statuses.isdisjoint(evidence.http_statuses))
        and (row.error_numbers is None or not row.error_numbers.isdisjoint(evidence.error_numbers))
        and (row.error_types is None or not row.error_types.isdisjoint(evidence.error_types))
        and (row.smtp_codes is None or not row.smtp_codes.isdisjoint(evidence.smtp_codes))
    )


def _evidence(symptom: Symptom) -> _Evidence:
    errors = tuple(_chain(symptom.error))
    names = [_names(error) for error in errors]
    statuses = {symptom.http_status, *map(_status_in, errors)}
    # The numbers of TLS errors are OpenSSL's own: its 1 is not EPERM.
    numbers = {
        error.errno
        for error, own in zip(errors, names, strict=True)
        if isinstance(error, OSError) and "ssl.SSLError" not in own
    }
    said = "\n".join((symptom.text, *map(str, reversed(errors))))
    return _Evidence(
        exit_code=symptom.exit_code,
        http_statuses=frozenset(status for status in statuses if status is not None),
        error_numbers=frozenset(number for number in numbers if number is not None),
        error_types=frozenset().union(*names),
        smtp_codes=frozenset(filter(None, (_number(getattr(error, "smtp_code", None)) for error in errors))),
        words="\n".join(said[-SPOKEN_CHARACTERS:].rstrip().splitlines()[-SPOKEN_LINES:]),
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it names as its reasons, nearest first."""
    waiting = [error]
    seen: list[BaseException] = []
    while waiting and len(seen) < LONGEST_CHAIN:
        inner = waiting.pop(0)
        if not isinstance(inner, BaseException) or any(inner is other for other in seen):
            continue
        seen.append(inner)
        yield inner
        waiting += [inner.__cause__, getattr(inner, "reason", None)]  # `reason`: urllib's URLError
        if isinstance(inner, BaseExceptionGroup):
            waiting += inner.exceptions


def _names(error: BaseException) -> frozenset[str]:
    """Its class and those above it, each as `package.Name`: no library has to be imported to know its errors."""
    return frozenset(f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__)


def _status_in(error: BaseException) -> int | None:
    """The HTTP status that an HTTP library's error tells of (httpx, requests; urllib)."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return _number(status if status is not None else getattr(error, "status", None))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _line_around(words: str, found: re.Match[str]) -> str:
    start = words.rfind("\n", 0, found.start()) + 1
    end = words.find("\n", found.end())
    line = words[start : end if end >= 0 else None].strip()
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
