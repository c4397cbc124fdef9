"""Risk: which calls can destroy what no undo brings back. One table, which a board's settings can lengthen or shorten."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from dreamos_tasks.model.request import Risk
from dreamos_tasks.model.value import frozen_value


@frozen_value
class Pattern:
    """One kind of destructive call: a regular expression that its text matches (any case), and what is at stake."""

    name: str
    kind: str  # fs | db | git | cloud | system
    expression: str
    risk: Risk
    reason: str
    example: str = ""


@frozen_value
class Assessment:
    """What a call puts at stake: the highest risk, and why, worst first."""

    risk: Risk
    reasons: tuple[str, ...]


_RISKS = tuple(Risk)
LONGEST_TEXT = 131_072  # of one text: the kernel takes no longer argument of a command
MOST_TEXT = 1_048_576  # of a call in all: what is longer is data

# The expressions are tried on texts that anybody may write, in the daemon's own loop: every repetition of words in them is
# bounded, so that the time they take grows with the text and no faster.
# Where a command begins: the start, or after what separates commands, an assignment or sudo and the like.
_BEGIN = r"(?:^|[\s;&|(`'\"])(?:/[\w./-]*/)?"
_WORDS = r"(?:[^\s;&|]+\s+){0,16}?"  # of the same command
_RECURSIVE = rf"(?={_WORDS}(?:-\w*r|--recursive))"

DESTRUCTIVE: tuple[Pattern, ...] = (
    Pattern(
        name="fs-remove-outside",
        kind="fs",
        expression=_BEGIN
        + rf"rm\s+{_RECURSIVE}{_WORDS}['\"]?(?:/|~|\$HOME|\$\{{HOME\}}|(?:[^\s;&|'\"]*/)?\.\.(?:[/\s;&|'\"]|$))",
        risk=Risk.CRITICAL,
        reason="it removes folders outside the task's own",
        example="rm -rf /var/lib/app",
    ),
    Pattern(
        name="fs-remove-everything",
        kind="fs",
        expression=_BEGIN + rf"rm\s+{_RECURSIVE}{_WORDS}['\"]?(?:\*|\./?\*?)['\"]?(?:[\s;&|)]|$)",
        risk=Risk.HIGH,
        reason="it removes everything in the folder",
        example="rm -rf *",
    ),
    Pattern(
        name="fs-find-delete",
        kind="fs",
        expression=_BEGIN + r"find\s+(?:\S+\s+){0,32}?(?:-delete\b|-exec\s+rm\b)",
        risk=Risk.HIGH,
        reason="it removes whatever it finds",
        example="find . -name '*.orig' -delete",
    ),
    Pattern(
        name="fs-remove-listed",
        kind="fs",
        expression=_BEGIN + rf"(?:xargs|parallel)\s+{_WORDS}(?:/[\w./-]*/)?rm\s+{_RECURSIVE}",
        risk=Risk.HIGH,
        reason="it removes whatever it is told of",
        example="ls -d /srv/* | xargs -r rm -rf",
    ),
    Pattern(
        name="fs-overwrite-device",
        kind="fs",
        expression=_BEGIN
        + rf"(?:dd\s+{_WORDS}of=/dev/(?!null\b|std|tty|shm/|fd/)|mkfs(?:\.\w+)?\s|wipefs\s|shred\s|blkdiscard\s)"
        r"|>\s{0,8}/dev/(?:sd|nvme|vd|disk)",
        risk=Risk.CRITICAL,
        reason="it overwrites a disk or a file beyond recovery",
        example="dd if=image.iso of=/dev/sdb",
    ),
    Pattern(
        name="fs-permissions",
        kind="fs",
        expression=_BEGIN + rf"ch(?:mod|own|grp)\s+{_RECURSIVE}{_WORDS}['\"]?(?:/|~)",
        risk=Risk.HIGH,
        reason="it changes owner or permissions of whole folders outside the task's own",
        example="chmod -R 777 /srv",
    ),
    Pattern(
        name="git-force-push",
        kind="git",
        expression=_BEGIN
        + rf"git\s+{_WORDS}push\s+{_WORDS}(?:-\w*f\b|--force\b|--force-with-lease|--mirror|--delete|\+\S|:\S)",
        risk=Risk.HIGH,
        reason="it rewrites or removes what others have on the remote",
        example="git push --force origin main",
    ),
    Pattern(
        name="git-discard",
        kind="git",
        expression=_BEGIN + rf"git\s+{_WORDS}(?:reset\s+{_WORDS}--hard|clean\s+{_WORDS}(?:-\w*f|--force)"
        r"|checkout\s+(?:--\s+)?\.(?:\s|$)|restore\s+\.)",
        risk=Risk.MEDIUM,
        reason="it discards changes that are not committed",
        example="git reset --hard HEAD~3",
    ),
    Pattern(
        name="git-history",
        kind="git",
        expression=_BEGIN + rf"git\s+{_WORDS}(?:filter-branch|filter-repo|reflog\s+expire|"
        rf"branch\s+{_WORDS}(?-i:-D)\b|stash\s+(?:drop|clear)|update-ref\s+-d)",
        risk=Risk.HIGH,
        reason="it rewrites or drops history",
        example="git branch -D feature",
    ),
    Pattern(
        name="db-drop",
        kind="db",
        expression=r"\b(?:drop\s+(?:table|database|schema|index|view|user|role)|truncate\s+(?:table\s+)?\w)",
        risk=Risk.CRITICAL,
        reason="it drops data from a database",
        example="psql -c 'DROP TABLE users'",
    ),
    Pattern(
        name="db-change-all",
        kind="db",
        expression=r"\b(?:delete\s+from\s+[\w.\"`]+|update\s+[\w.\"`]+\s+set\b(?:(?!\bwhere\b)[^;]){0,400})"
        r"(?:;|\s{0,8}['\"]?\s{0,8}$)",
        risk=Risk.HIGH,
        reason="it changes every row of a table",
        example="sqlite3 app.db 'DELETE FROM users'",
    ),
    Pattern(
        name="db-flush",
        kind="db",
        expression=r"\b(?:flushall|flushdb|dropdatabase|drop-database|dropdb)\b",
        risk=Risk.CRITICAL,
        reason="it empties a database",
        example="redis-cli FLUSHALL",
    ),
    Pattern(
        name="cloud-destroy",
        kind="cloud",
        expression=_BEGIN
        + rf"(?:terraform|tofu|pulumi|cdk)\s+{_WORDS}(?:destroy|apply\s+{_WORDS}--?auto-approve|state\s+rm)\b",
        risk=Risk.CRITICAL,
        reason="it destroys or changes infrastructure",
        example="terraform destroy",
    ),
    Pattern(
        name="cloud-kubernetes",
        kind="cloud",
        expression=_BEGIN
        + rf"(?:kubectl\s+{_WORDS}(?:delete|drain|replace\s+--force)|helm\s+{_WORDS}(?:uninstall|delete))\b",
        risk=Risk.HIGH,
        reason="it removes what runs in a cluster",
        example="kubectl delete namespace staging",
    ),
    Pattern(
        name="cloud-delete",
        kind="cloud",
        expression=_BEGIN + rf"(?:aws|gcloud|az|doctl|flyctl|fly|heroku|gh)\s+{_WORDS}"
        r"(?:delete|terminate|destroy|rm|rb|purge|remove)(?:-[\w-]+)?\b",
        risk=Risk.HIGH,
        reason="it deletes something in a cloud",
        example="aws s3 rb s3://backups --force",
    ),
    Pattern(
        name="cloud-containers",
        kind="cloud",
        expression=_BEGIN + rf"(?:docker|podman)\s+{_WORDS}(?:(?:system|volume|image|container)\s+prune|volume\s+rm)\b",
        risk=Risk.MEDIUM,
        reason="it removes containers, images or volumes",
        example="docker system prune -af",
    ),
    Pattern(
        name="system-power",
        kind="system",
        expression=_BEGIN + r"(?:shutdown|reboot|poweroff|halt)(?:\s|$)",
        risk=Risk.HIGH,
        reason="it stops the machine",
        example="sudo reboot",
    ),
    Pattern(
        name="system-remote-script",
        kind="system",
        expression=r"\b(?:curl|wget)\b[^|;]{0,500}\|\s{0,8}(?:sudo\s+)?(?:/[\w./-]*/)?(?:ba|z|da)?sh\b"
        r"|\b(?:ba|z|da)?sh\s+(?:-c\s+)?['\"]?(?:<|\$)\(\s{0,8}(?:curl|wget)\b",
        risk=Risk.HIGH,
        reason="it runs a script that nobody has read",
        example="curl https://example.org/install | sh",
    ),
)


# What of a call is carried out, by tool: each row is the parameters that are read as one line. What a call only hands on (the
# text of a message, the content of a file, the body of a request) destroys nothing, whatever it says.
EXECUTED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "shell": (("command",), ("stdin",)),
    "http": (("method", "url"),),
    "files": (("action", "path", "to"),),
    "browser": (),
    "message": (),
    "web_search": (),
}
# Of any other tool (a Python function, a tool of others'): the parameters of these names, however deep they stand, and
# arguments by place, which say nothing of what they are for.
EXECUTED_NAMES = frozenset(
    {
        *("cmd", "code", "command", "commands", "expression", "method", "query", "run", "script", "shell"),
        *("sql", "statement", "statements", "stdin", "url"),
    }
)
BY_PLACE = ("args", "argv")
ALL = "*"


def assess(
    tool: str,
    params: Mapping[str, Any],
    patterns: Sequence[Pattern] = DESTRUCTIVE,
    *,
    also: Sequence[str] = (),
) -> Assessment | None:
    """What a call of a tool with these parameters puts at stake; None when no pattern says anything about it.

    Looked at is what is carried out (see EXECUTED), and what `also` names: `tool.parameter`, or `tool.*` for all.
    """
    texts = _looked_at(tool, params, also)
    found = [pattern for pattern in patterns if any(map(_compiled(pattern.expression).search, texts))]
    if not found:
        return None
    found.sort(key=lambda pattern: -_RISKS.index(pattern.risk))
    return Assessment(risk=found[0].risk, reasons=tuple(f"{one.reason} ({one.name})" for one in found))


def _looked_at(tool: str, params: Mapping[str, Any], also: Sequence[str]) -> Iterable[str]:
    """The texts of a call, each once, as far as anything in them can be a command."""
    texts: dict[str, None] = {}
    left = MOST_TEXT
    for text in _carried_out(tool, params, also):
        if text not in texts and text.strip():
            looked_at = text[: min(LONGEST_TEXT, left)]
            texts[looked_at] = None
            left -= len(looked_at)
        if left <= 0:
            break
    return texts


def _carried_out(tool: str, params: Mapping[str, Any], also: Sequence[str]) -> Iterator[str]:
    asked_for = {name for place in also for owner, _, name in (place.partition("."),) if owner == tool}
    if ALL in asked_for:
        yield from _texts(params)
        return
    yield from _texts([params[name] for name in sorted(asked_for) if name in params])
    rows = EXECUTED.get(tool)
    if rows is None:
        yield from _named(params)
        return
    for row in rows:
        values = [params[name] for name in row if name in params]
        if len(row) > 1:
            yield " ".join(value for value in values if isinstance(value, str))
        else:
            yield from _texts(values)


def _named(value: Any) -> Iterator[str]:
    """The texts below a name that says that they are carried out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            is_by_place = name in BY_PLACE and isinstance(inner, list | tuple)
            yield from _texts(inner) if is_by_place or str(name).lower() in EXECUTED_NAMES else _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)


def preview_of(tool: str, params: Mapping[str, Any]) -> str:
    """What a call would do, in a line or a few, for whoever is to approve it."""
    command = params.get("command")
    if isinstance(command, str):
        return command
    if isinstance(command, list | tuple):
        return " ".join(map(str, command))
    return f"{tool} {json.dumps(params, ensure_ascii=False, sort_keys=True)}"


def _texts(value: Any) -> Iterator[str]:
    """The texts of a call: each by itself, and the words of a list as one line, as a command is written."""
    if isinstance(value, str):
        yield from value.splitlines() or [""]
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        if value and all(isinstance(inner, str) for inner in value):
            yield " ".join(value)
        for inner in value:
            yield from _texts(inner)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)
