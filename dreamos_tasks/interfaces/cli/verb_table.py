"""The verbs: by theme, what each does in a line, and where its code is. Nothing here is imported before it is used."""

from __future__ import annotations

Place = tuple[str, str]  # module:attribute, below dreamos_tasks.interfaces.cli; and what the verb does, in one line

THEMES: dict[str, dict[str, Place]] = {
    "Put work on the board": {
        "add": ("adding:add", "Add a task, or tasks from a file"),
        "update": ("updating:update", "Change what a task asks for, or its state"),
        "run": ("run:run", "Run a task here and now, exit with its result"),
        "episode": ("episode:episode", "Start work for several agents from a file, and watch it"),
        "inbox": ("inbox:inbox", "Look at the folder that task files are dropped into"),
    },
    "Work as an agent": {
        "prime": ("prime:prime", "What an agent must know to work from this board"),
        "next": ("claiming:next_", "Claim the next ready task"),
        "claim": ("claiming:claim", "Claim a task by its id"),
        "heartbeat": ("claiming:heartbeat", "Say that you are still at it"),
        "progress": ("claiming:progress", "Say how far you are"),
        "complete": ("settling:complete", "Finish a task you hold"),
        "fail": ("settling:fail", "Say that you could not do it"),
        "release": ("claiming:release", "Give a task back unfinished"),
        "work": ("work:work", "Have a command do tasks, one after another"),
        "mail": ("mail:mail", "Write to other agents, and read what they write"),
        "ask": ("approving:ask", "Ask people something, and let the task go meanwhile"),
        "setup": ("setup:setup", "Make Claude Code, Codex, Gemini CLI, Cursor or OpenCode work from this board"),
        "mcp": ("mcp:mcp", "Serve the board to an agent's program, over MCP"),
    },
    "Steer tasks": {
        "pause": ("steering:pause", "Set a task aside"),
        "resume": ("steering:resume", "Put a paused task back in the queue"),
        "cancel": ("steering:cancel", "End a task for good"),
        "retry": ("steering:retry", "Give a failed or cancelled task a fresh start"),
        "undo": ("undoing:undo", "Take back steps of a task, or the last change to the board"),
        "approvals": ("approving:approvals", "What people are asked"),
        "approve": ("approving:approve", "Let a step run that asks first"),
        "reject": ("approving:reject", "Do not let it run"),
        "answer": ("approving:answer", "Answer what a task asks"),
    },
    "Look": {
        "watch": ("live:watch", "The whole board as it goes, on a screen of its own"),
        "ready": ("listing:ready", "What can be claimed now, in the order of claiming"),
        "list": ("listing:list_", "List tasks"),
        "search": ("listing:search", "Find tasks by words in title or description"),
        "show": ("showing:show", "Everything about a task, and what to do next"),
        "why": ("showing:why", "What a task waits for, and its place in the queue"),
        "history": ("showing:history", "The states and attempts of a task"),
        "agents": ("agents:agents", "Who works from this board, and who holds what"),
        "stats": ("showing:stats", "How many tasks there are, how steps went, how long they took"),
        "events": ("following:events", "What happened on the board"),
        "logs": ("following:logs", "What a task's steps printed"),
        "wait": ("following:wait", "Wait for tasks to end; exit with their result"),
    },
    "Operate": {
        "init": ("home_verbs:init", "Make a board in this folder"),
        "up": ("daemon_verbs:up", "Start the daemon and the dashboard"),
        "down": ("daemon_verbs:down", "Stop the daemon"),
        "daemon": ("daemon_verbs:daemon", "What systemd runs"),
        "status": ("daemon_verbs:status", "How daemon and board stand"),
        "service": ("service_verbs:service", "Install the daemon as a systemd service"),
        "dashboard": ("web_verbs:dashboard", "Print a link to the dashboard that signs a browser in"),
        "token": ("web_verbs:token", "Make, list and revoke tokens for the HTTP interface"),
        "incidents": ("incidents:incidents", "What somebody should look into; ack, snooze, close"),
        "monitor": ("monitor:monitor", "Look for tasks that nobody moves"),
        "doctor": ("doctor:doctor", "Check this machine and mend what can be mended"),
        "backup": ("board_verbs:backup", "Copy the board to a file"),
        "import": ("moving:import_", "Bring tasks of another board here"),
        "export": ("moving:export", "Write out all tasks"),
        "board": ("board_verbs:board", "Check, convert, restore or prune the board"),
        "config": ("home_verbs:config", "Check or show the settings"),
        "schema": ("home_verbs:schema", "The JSON Schema of tasks and tools"),
        "paths": ("home_verbs:paths", "Where everything is"),
        "completion": ("home_verbs:completion", "Completion for your shell"),
        "help": ("home_verbs:help_", "Help on a topic"),
        "version": ("home_verbs:version", "The versions of dreamos-tasks, Python and SQLite"),
    },
}
VERBS: dict[str, Place] = {verb: place for theme in THEMES.values() for verb, place in theme.items()}
# Words that agents were taught elsewhere.
ALIASES = {"create": "add", "close": "complete", "done": "complete", "hb": "heartbeat", "unclaim": "release"}
