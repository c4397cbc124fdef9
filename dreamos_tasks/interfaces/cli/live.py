"""The verb that shows the whole board as it goes: watch."""

from __future__ import annotations

import os

import click

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.event_line import event_line
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.interfaces.cli.waiting import watch_for_reader
from dreamos_tasks.model.live_message import live_message


@verb("watch", examples=("dt watch", "dt watch --jsonl", "dt watch --after 120 --jsonl | jq .data.changes"))
@option("--after", metavar="SEQ", type=click.IntRange(min=0), help="Lines from this number on. [default: from now on]")
@option("--jsonl", "as_lines", is_flag=True, help="The live messages, one JSON document a line.")
@option("--limit", metavar="N", type=click.IntRange(min=1), help="End after N lines.")
def watch(call: Call, after: int | None, as_lines: bool, limit: int | None) -> None:
    """Watch the board: who works at what and how long it takes, what people are asked, what is next, what happened.

    On a terminal a screen that is kept up to date, with or without a daemon; Ctrl-C ends it and leaves the terminal as it was.
    Without one, a line for each event. With --jsonl (or --json) the messages that the HTTP interface sends to those who follow.
    """
    as_json = as_lines or call.out.as_json
    if as_json or after is not None or limit is not None or not _has_screen(call):
        _follow(call, after=after, as_json=as_json, limit=limit)
    else:
        from dreamos_tasks.interfaces.cli.live_screen import keep_on_screen

        keep_on_screen(call)


def _follow(call: Call, *, after: int | None, as_json: bool, limit: int | None) -> None:
    from dreamos_tasks.board.feed import EventFeed

    nexus, out = call.nexus, call.out
    feed = EventFeed(nexus, after=nexus.store.last_seq() if after is None else after)
    out.note(f"following {call.home.board(call.settings.board)} behind {feed.seq}; Ctrl-C ends this")
    with watch_for_reader(call) as board:
        for number, event in enumerate(feed.follow(board), start=1):
            if as_json:
                out.json_line(live_message(event))
            else:
                out.line(event_line(event, nexus.clock.now()))
                out.flush()
            if number == limit:
                return


def _has_screen(call: Call) -> bool:
    return call.out.stdout_is_terminal and os.environ.get("TERM") != "dumb"
