"""Verbs about the place itself: init, paths, config, schema, completion, help, version."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dreamos_tasks.config.home import FOLDER_NAME, Home, find_home
from dreamos_tasks.config.variables import HOME_VARIABLE
from dreamos_tasks.errors import NotFound, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED
from dreamos_tasks.interfaces.cli.text import count
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.cli.verb_group import show_help, verb_group

if TYPE_CHECKING:
    from dreamos_tasks.config.settings import Settings

SHELLS = ("bash", "zsh", "fish")


@verb("init", examples=("dt init", "dt init --dry-run", "dt init --home ~/boards/play"))
@option("--dry-run", is_flag=True, help="Only say what would be made.")
def init(call: Call, dry_run: bool) -> None:
    """Make a board in this folder (in .dreamos/), or in the one that --home names. What is there stays as it is."""
    from dreamos_tasks.app.home_making import make_home, missing_parts
    from dreamos_tasks.config.cache import settings_for

    home = home_to_make(call)
    settings = settings_for(home)
    made = tuple(missing_parts(home, settings)) if dry_run else make_home(home, settings)
    if call.out.as_json:
        call.out.document({"home": str(home.path), "dry_run": dry_run, "made": [str(path) for path in made]})
        return
    for path in made:
        call.out.line(f"{'would make' if dry_run else 'made'} {path}{'/' if path.is_dir() else ''}")
    if not made:
        call.out.line(f"everything is there already: {home.path}")
    elif not dry_run:
        call.out.note('next: dt add "what is to be done", or dt up to start the daemon')


def home_to_make(call: Call) -> Home:
    """The home that is named; else this folder if it is one; else `.dreamos` in it. Says when there is one further up."""
    if call.home_option is not None or os.environ.get(HOME_VARIABLE):
        return call.home
    found = find_home()
    here = Path.cwd()
    if found.path in (here, here / FOLDER_NAME):
        return found
    if found.found_by != "user":
        call.out.note(f"note: {found.path} is a board too; from this folder on the new one is used")
    return Home(path=here / FOLDER_NAME, found_by=".dreamos")


@verb("paths", examples=("dt paths", "dt paths --json"))
def paths(call: Call) -> None:
    """Say where everything is. Nothing is made."""
    found = paths_of(call.home, call.settings)
    if call.out.as_json:
        call.out.document({"found_by": call.home.found_by, **found})
        return
    widest = max(map(len, found))
    for name, path in found.items():
        call.out.line(f"{name:<{widest}}  {path}")
    call.out.note(f"(the home was found by {call.home.found_by})")


def paths_of(home: Home, settings: Settings) -> dict[str, str]:
    """Every path by its name."""
    from dreamos_tasks.config.home import user_config

    return {
        name: str(path)
        for name, path in {
            "home": home.path,
            "config": home.config,
            "user_config": user_config(os.environ),
            "board": home.board(settings.board),
            "board_lock": home.board_lock(settings.board),
            "inbox": home.inbox(settings.inbox),
            "outbox": home.outbox,
            "runs": home.runs,
            "logs": home.logs,
            "daemon": home.daemon_file,
            "daemon_lock": home.daemon_lock,
            "doorbell": home.doorbell,
            "status_socket": home.status_socket,
            "http_socket": home.below(settings.server.socket or "runtime/http.sock"),
            "operator_token": home.operator_token,
            "tokens": home.tokens,
        }.items()
    }


@verb_group("config", examples=("dt config check", "dt config show --origin", "dt config show claims.lease_seconds"))
def config(call: Call) -> None:
    """Check or show the settings."""
    show_help(call)


@config.below("check", examples=("dt config check",))
def config_check(call: Call) -> None:
    """Read all settings and say every slip at once, with its place. Exits 2 when there is one."""
    from dreamos_tasks.app.settings_check import check_names
    from dreamos_tasks.config.loading import config_files, load

    loaded = load(call.home)
    check_names(call.home, loaded.settings)
    files = [str(file) for file in config_files(call.home, os.environ) if file.exists()]
    changed = sorted(key for key, origin in loaded.origins.items() if not origin.startswith("default"))
    if call.out.as_json:
        call.out.document({"ok": True, "files": files, "set": changed})
    else:
        call.out.line(f"ok: {count(len(changed), 'setting')} set, in {', '.join(files) or 'no file'}")


@config.below("show", examples=("dt config show", "dt config show --origin", "dt config show claims --json"))
@click.argument("keys", metavar="[KEY]...", nargs=-1, type=FILLED)
@option("--origin", is_flag=True, help="Say where each value comes from.")
def config_show(call: Call, keys: tuple[str, ...], origin: bool) -> None:
    """Show all settings as they stand, or those below a KEY such as claims or claims.lease_seconds."""
    from dreamos_tasks.config.catalogue import as_yaml, shown, values
    from dreamos_tasks.config.loading import load

    loaded = load(call.home)
    every = values(loaded.settings)
    chosen = {key: shown(key, value) for key, value in every.items() if _is_below(key, keys)}
    unknown = [key for key in keys if not any(_is_below(name, (key,)) for name in every)]
    if unknown:
        raise NotFound(f"there is no setting {unknown[0]!r}", fix="dt config show lists them all")
    if call.out.as_json:
        call.out.document(
            {key: {"value": value, "origin": loaded.origins.get(key, "default")} for key, value in chosen.items()}
        )
        return
    for key, value in chosen.items():
        line = f"{key}: {as_yaml(value)}"
        call.out.line(f"{line:<50}  # {loaded.origins.get(key, 'default')}" if origin else line)


def _is_below(key: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or any(key == word or key.startswith(f"{word}.") for word in wanted)


@verb("schema", examples=("dt schema", "dt schema task", "dt schema task-draft", "dt schema tool shell"))
@click.argument("name", required=False)
@click.argument("tool", required=False)
def schema(call: Call, name: str | None, tool: str | None) -> None:
    """Print a JSON Schema: of tasks as they come out, drafts as they go in, plans, events; or of a tool's parameters.

    Without a name it lists them.
    """
    from dreamos_tasks.app.schemas import schema_named, schema_names, tool_names, tool_schema

    if name == "tool" and tool is not None:
        call.out.document(tool_schema(call.home, tool))
    elif tool is not None:
        raise UsageError(f"{tool!r} is one word too many", fix=f"dt schema {name}, or dt schema tool {tool}")
    elif name is not None and name != "tool":
        call.out.document(schema_named(name))
    elif call.out.as_json:
        call.out.document({"schemas": schema_names(), "tools": tool_names(call.home)})
    else:
        for known in schema_names() if name is None else ():
            call.out.line(f"dt schema {known}")
        for known in tool_names(call.home):
            call.out.line(f"dt schema tool {known}")


@verb(
    "completion",
    examples=("dt completion bash >> ~/.bashrc", "dt completion fish > ~/.config/fish/completions/dt.fish"),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(call: Call, shell: str) -> None:
    """Print the script that makes your shell complete dt: add it to the shell's start-up file."""
    from click.shell_completion import get_completion_class

    from dreamos_tasks.interfaces.cli.main import root

    kind = get_completion_class(shell)
    assert kind is not None
    for program in ("dt", "dreamos-tasks"):
        variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
        call.out.line(kind(root, {}, program, variable).source().strip("\n"))


@verb("help", examples=("dt help", "dt help exit-codes", "dt help next"))
@click.argument("topic", required=False)
@click.pass_context
def help_(ctx: click.Context, call: Call, topic: str | None) -> None:
    """Explain a TOPIC or a verb; without one, list the topics."""
    from dreamos_tasks.interfaces.cli.topics import topic_names, topic_summaries, topic_text

    if topic is None and call.out.as_json:
        call.out.document(_all_help())
        return
    if topic is None:
        call.out.line("topics: dt help TOPIC")
        for name, summary in topic_summaries():
            call.out.line(f"  {name:<12}  {summary}")
        call.out.line("dt --help lists the verbs; dt help VERB explains one.")
        return
    if topic in topic_names():
        if call.out.as_json:
            call.out.document({"topic": topic, "text": topic_text(topic)})
        else:
            call.out.line(topic_text(topic).rstrip("\n"))
        return
    assert ctx.parent is not None
    group = ctx.parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(ctx.parent, topic)
    if command is None:
        raise _no_such_topic(topic, (*topic_names(), *group.list_commands(ctx.parent)))
    with click.Context(command, info_name=topic, parent=ctx.parent, obj=call) as below:
        if call.out.as_json:
            examples = list(getattr(command, "examples", ()))
            call.out.document({"verb": command.name, "text": command.get_help(below), "examples": examples})
        else:
            call.out.line(command.get_help(below))


@verb("version", examples=("dt version", "dt version --json"))
def version(call: Call) -> None:
    """Show the versions of dreamos-tasks, Python and SQLite. Nobody is asked for a newer one."""
    import apsw

    import dreamos_tasks

    versions = {
        "version": dreamos_tasks.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "sqlite": apsw.sqlite_lib_version(),
    }
    if call.out.as_json:
        call.out.document(versions)
    else:
        call.out.line("dreamos-tasks {version} (Python {python}, SQLite {sqlite})".format(**versions))


def _all_help() -> dict[str, object]:
    """What help there is."""
    from dreamos_tasks.interfaces.cli.topics import topic_summaries
    from dreamos_tasks.interfaces.cli.verb_table import ALIASES, THEMES

    return {
        "topics": dict(topic_summaries()),
        "verbs": [
            {"verb": verb, "theme": theme, "summary": summary}
            for theme, verbs in THEMES.items()
            for verb, (_, summary) in verbs.items()
        ],
        "aliases": dict(ALIASES),
    }


def _no_such_topic(topic: str, known: tuple[str, ...]) -> NotFound:
    from difflib import get_close_matches

    near = get_close_matches(topic, known, n=2)
    fix = f"did you mean {' or '.join(near)}?" if near else "dt help lists the topics, dt --help the verbs"
    return NotFound(f"there is no help on {topic!r}", fix=fix)
