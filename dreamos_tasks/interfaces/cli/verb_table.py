"""The verbs: by theme, what each does in a line, and where its code is. Nothing here is imported before it is used."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a verb's command is, and what it does in one line."""

    target: str  # module:attribute, below dreamos_tasks.interfaces.cli
    summary: str


THEMES: dict[str, dict[str, Place]] = {
    "Put work on the board": {
        "add": Place("adding:add", "Add a task, or tasks from a file"),
        "update": Place("updating:update", "Change what a task asks for, or its state"),
        "run": Place("run:run", "Run a task here and now, exit with its result"),
        "inbox": Place("inbox:inbox", "Look at the folder that task files are dropped into"),
    },
    "Work as an agent": {
        "next": Place("claiming:next_", "Claim the next ready task"),
        "claim": Place("claiming:claim", "Claim a task by its id"),
        "heartbeat": Place("claiming:heartbeat", "Say that you are still at it"),
        "progress": Place("claiming:progress", "Say how far you are"),
        "complete": Place("settling:complete", "Finish a task you hold"),
        "fail": Place("settling:fail", "Say that you could not do it"),
        "release": Place("claiming:release", "Give a task back unfinished"),
    },
    "Steer tasks": {
        "pause": Place("steering:pause", "Set a task aside"),
        "resume": Place("steering:resume", "Put a paused task back in the queue"),
        "cancel": Place("steering:cancel", "End a task for good"),
        "retry": Place("steering:retry", "Give a failed or cancelled task a fresh start"),
    },
    "Look": {
        "ready": Place("listing:ready", "What can be claimed now, in the order of claiming"),
        "list": Place("listing:list_", "List tasks"),
        "search": Place("listing:search", "Find tasks by words in title or description"),
        "show": Place("showing:show", "Everything about a task, and what to do next"),
        "why": Place("showing:why", "What a task waits for, and its place in the queue"),
        "history": Place("showing:history", "The states and attempts of a task"),
        "stats": Place("showing:stats", "How many tasks there are, by state and so on"),
        "events": Place("following:events", "What happened on the board"),
        "logs": Place("following:logs", "What a task's steps printed"),
        "wait": Place("following:wait", "Wait for tasks to end; exit with their result"),
    },
    "Operate": {
        "init": Place("home_verbs:init", "Make a board in this folder"),
        "up": Place("daemon_verbs:up", "Start the daemon and the dashboard"),
        "down": Place("daemon_verbs:down", "Stop the daemon"),
        "daemon": Place("daemon_verbs:daemon", "What systemd runs"),
        "status": Place("daemon_verbs:status", "How daemon and board stand"),
        "service": Place("service_verbs:service", "Install the daemon as a systemd service"),
        "monitor": Place("monitor:monitor", "Look for tasks that nobody moves"),
        "doctor": Place("doctor:doctor", "Check this machine and mend what can be mended"),
        "backup": Place("board_verbs:backup", "Copy the board to a file"),
        "board": Place("board_verbs:board", "Check or convert the board"),
        "config": Place("home_verbs:config", "Check or show the settings"),
        "schema": Place("home_verbs:schema", "The JSON Schema of tasks and tools"),
        "paths": Place("home_verbs:paths", "Where everything is"),
        "completion": Place("home_verbs:completion", "Completion for your shell"),
        "help": Place("home_verbs:help_", "Help on a topic"),
        "version": Place("home_verbs:version", "The versions of dreamos-tasks, Python and SQLite"),
    },
}
VERBS: dict[str, Place] = {verb: place for theme in THEMES.values() for verb, place in theme.items()}
# Words that agents were taught elsewhere.
ALIASES = {"create": "add", "close": "complete", "done": "complete", "hb": "heartbeat", "unclaim": "release"}
