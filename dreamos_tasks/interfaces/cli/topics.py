"""The texts of `dt help TOPIC`. What the code knows itself (settings, errors, variables) is not written twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dreamos_tasks.errors import all_kinds

EXIT_CODES = {
    0: "done; an empty list is no failure",
    1: "the task or command failed",
    2: "the call or a setting is wrong",
    3: "there is no such task, or other thing",
    4: "refused: a claim is held, a token is stale, the state does not allow it, an id is ambiguous",
    5: "nothing is ready to be claimed",
    6: "the board is unavailable: locked for too long, gone, corrupt, too new, unsafe, or its disk is full",
    7: "what was handed in is invalid",
    124: "timed out",
    130: "interrupted (Ctrl-C)",
}

INBOX = """\
Drop a file into the inbox, and its tasks are on the board. dt inbox path says where the folder is.

  *.json    a task, an array of tasks, or {"tasks": [...]}        *.jsonl   a task a line
  Write the file elsewhere on the same disk (or under a name that begins with a dot) and rename it into the folder.

  {"title": "Build", "run": "make"}                                a task that the daemon runs
  {"title": "Review it", "assigned_to": "ada"}                     a task for one agent

inbox/<agent>/              files in here are assigned to that agent
inbox/accepted/YYYY-MM-DD/  the file, and NAME.receipt.json with the ids of its tasks
inbox/rejected/             the file, and NAME.error.json: where it is wrong, what was expected, how to mend it
outbox/NAME.result.json     appears when the last of its tasks has ended

All tasks of a file are accepted, or none. The same file twice gives the same tasks once. Nothing is ever deleted.
dt inbox validate FILE tells beforehand what the inbox would say; dt inbox retry NAME puts a rejected file back.
"""

AGENTS = """\
How an agent works with the board. Every command takes --json; the agent is --agent NAME, or DREAMOS_TASKS_AGENT.

  dt next --agent ada --json        claim the next ready task; exit 5 when none is ready (--wait 60 waits for one)
  dt heartbeat ID --agent ada       say that you are still at it, before the lease runs out
  dt progress ID --agent ada --percent 40 --note "tests written"
  dt complete ID --agent ada --result '{"files": 3}' --next         done, and claim the next in one go
  dt fail ID --agent ada --error "what went wrong" [--category transient]
  dt release ID --agent ada         give it back unfinished

A claim is a lease: "claim" in the task's JSON has its token and lease_until. Once it has run out the task is open to others,
and whatever you still write is refused (exit 4) and changes nothing. Name the token (--token N) to be sure that it is yours.
If a task has "verify" steps, completing runs them; red, the completion is refused and you go on. No daemon is needed for any
of this; tasks with a plan ("run", "plan") are run by the daemon: dt up.
"""

CONFIG_HEAD = """\
Settings come from, the strongest first: options, the environment, config.yaml of the board's home, the user's own
config.yaml, the defaults. dt paths says where the files are, dt config show --origin where each value comes from.
"""


def topic_names() -> tuple[str, ...]:
    """What can be asked for."""
    return tuple(_TOPICS)


def topic_text(name: str) -> str:
    """The text of one topic. Raises KeyError."""
    return _TOPICS[name][1]()


def topic_summaries() -> Iterator[tuple[str, str]]:
    """Each topic with a line about it."""
    return ((name, summary) for name, (summary, _) in _TOPICS.items())


def _exit_codes() -> str:
    words = _error_words()
    lines = []
    for code, meaning in EXIT_CODES.items():
        lines.append(f"{code:>4}  {meaning}")
        if words.get(code):
            lines.append(f"      codes: {', '.join(words[code])}")
    return "\n".join(lines) + '\n\nWith --json an error is {"error": {"code", "message", "cause", "fix"}} on stderr.\n'


def _error_words() -> dict[int, list[str]]:
    """The codes of all errors by the exit code they end with."""
    words: dict[int, list[str]] = {}
    for kind in all_kinds():
        words.setdefault(kind.exit_code, []).append(kind.code)
    return {code: list(dict.fromkeys(found)) for code, found in words.items()}


def _environment() -> str:
    from dreamos_tasks.config.catalogue import all_settings
    from dreamos_tasks.config.variables import AGENT_VARIABLE, HOME_VARIABLE

    lines = [
        f"{HOME_VARIABLE}   the folder of the board to use (--home goes before it)",
        f"{AGENT_VARIABLE}  the agent that acts (--agent goes before it)",
        "NO_COLOR             no colours; --color always|never goes before it",
        "XDG_DATA_HOME, XDG_CONFIG_HOME  where the user's own board and settings are",
        "",
        "Every setting has its variable:",
        *(f"  {info.variable}" for info in all_settings()),
        "",
        "A command that runs for a task finds DREAMOS_TASKS_TASK_ID, _TOKEN, _STEP, _ATTEMPT and _REDUCE.",
    ]
    return "\n".join(lines) + "\n"


def _config() -> str:
    from dreamos_tasks.config.catalogue import as_yaml, sections

    lines = [CONFIG_HEAD]
    for section in sections():
        lines.append(f"{section.key}: {section.about}")
        for info in section.settings:
            unit = f" {info.unit}" if info.unit else ""
            lines.append(f"  {info.key} = {as_yaml(info.default)}{unit}\n      {info.why}; {info.expected}")
        lines.append("")
    return "\n".join(lines)


def _llms() -> str:
    from dreamos_tasks.interfaces.cli.llms_text import llms_text

    return llms_text()


_TOPICS: dict[str, tuple[str, Callable[[], str]]] = {
    "exit-codes": ("what a command's exit code means", _exit_codes),
    "environment": ("the environment variables", _environment),
    "inbox": ("the folder that task files are dropped into", lambda: INBOX),
    "config": ("every setting, its default and why it is there", _config),
    "agents": ("how an agent works with the board", lambda: AGENTS),
    "llms": ("all of it in a page, for language models (llms.txt)", _llms),
}
