"""LiveScreen: the whole board on a terminal, kept up to date: rich's tables, as many rows of each as fit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.board.feed import EventFeed
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.daemon_view import NO_DAEMON
from dreamos_tasks.interfaces.cli.event_line import event_words
from dreamos_tasks.interfaces.cli.live_page import MOST_ROWS, LivePage, Work, count_words, page_of
from dreamos_tasks.interfaces.cli.output import STATUS_COLOURS
from dreamos_tasks.interfaces.cli.text import harmless, local
from dreamos_tasks.interfaces.cli.waiting import watch_of
from dreamos_tasks.interfaces.cli.watching import wait_to_redraw
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.live_message import LiveType, live_type

RECENT_EVENTS = 200  # more than any screen has lines
BAR_COLUMNS = 16
ROOM_FOR_BARS, ROOM_FOR_NAMES = 90, 60  # columns: on a narrower screen ids and titles need them
# How many rows of each part are shown at most, and in which order they get the lines that there are; events take the rest.
PARTS = (("asks", 6), ("work", 12), ("queue", 8), ("agents", 6))
FEW_ROWS = 3
HEAD_LINES = 3
FEWEST_EVENTS = 5  # lines, with their title, on a screen that has room for more than that
TYPE_COLOURS = {
    LiveType.COMPLETED: "green",
    LiveType.ERROR: "red",
    LiveType.APPROVAL_REQUEST: "yellow",
    LiveType.CANCELLED: "dim",
    LiveType.STEP_START: "cyan",
    LiveType.STEP_COMPLETE: "cyan",
}


def keep_on_screen(call: Call) -> None:
    """Show the board until Ctrl-C; then the terminal is as it was."""
    nexus = call.nexus
    feed = EventFeed(nexus, after=max(0, nexus.store.last_seq() - RECENT_EVENTS))
    recent: deque[Event] = deque(maxlen=RECENT_EVENTS)
    console = Console(highlight=False, no_color=None if call.out.colour == "auto" else call.out.colour == "never")
    with watch_of(call) as board, Live(console=console, screen=True, auto_refresh=False) as screen:
        while True:
            mark, drawn_at = board.mark(), time.monotonic()
            recent.extend(feed.ready())
            page = page_of(call, daemon=_daemon_words(call))
            screen.update(render(page, list(recent), rows=console.height, columns=console.width), refresh=True)
            wait_to_redraw(board, mark, drawn_at=drawn_at)


def render(page: LivePage, events: Sequence[Event], *, rows: int, columns: int = ROOM_FOR_BARS) -> RenderableType:
    """The page in so many lines, and no wider: of what does not fit it is said how much there is."""
    parts_of = {"asks": page.asks, "work": page.work, "queue": page.queue, "agents": page.agents}
    room = rows - HEAD_LINES - 1  # a full screen would scroll
    shares = _shares(parts_of, room - FEWEST_EVENTS if room > 2 * FEWEST_EVENTS else room)
    parts: list[RenderableType] = [*_head(page)]
    used = HEAD_LINES
    for name, title, table in (
        ("asks", "PEOPLE ARE ASKED", _asks(page.asks[: shares["asks"]], columns)),
        ("work", "RUNNING", _work(page.work[: shares["work"]], columns)),
        ("queue", "NEXT", _plain(page.queue[: shares["queue"]])),
        ("agents", "AGENTS", _plain(page.agents[: shares["agents"]])),
    ):
        if shares[name]:
            parts += [_title(title, shown=shares[name], there=len(parts_of[name])), table]
            used += shares[name] + 1
    left = rows - used - 2
    if left > 0 and events:
        parts += [_title("LATELY"), _lately(page, events[-left:], columns)]
    return Group(*parts)


def _shares(parts: dict[str, Sequence[object]], lines: int) -> dict[str, int]:
    """How many rows of each part are shown: a few of each, then more of the first. A part takes a line for its title."""
    shares = dict.fromkeys(parts, 0)
    for at_most in (FEW_ROWS, MOST_ROWS):
        for name, most in PARTS:
            title = 0 if shares[name] else 1
            more = min(len(parts[name]), most, at_most) - shares[name]
            more = min(more, lines - title)
            if more > 0:
                shares[name] += more
                lines -= more + title
    return shares


def _head(page: LivePage) -> Sequence[Text]:
    when = f"{page.now.astimezone():%H:%M:%S}"
    return (
        _line(Text.assemble(("dreamos-tasks", "bold"), f"  {when}  ", ("Ctrl-C ends this", "dim"), f"  {page.board}")),
        _line(Text(f"daemon  {page.daemon}")),
        _line(Text.assemble("board   ", (count_words(page.counts), "bold"))),
    )


def _title(title: str, *, shown: int = 0, there: int = 0) -> Text:
    more = f"  {shown} of {there if there < MOST_ROWS else f'{MOST_ROWS} or more'}" if there > shown else ""
    return _line(Text.assemble((title, "bold"), (more, "dim")))


def _table() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=True)


def _asks(rows: Sequence[tuple[str, str, str]], columns: int) -> Table:
    """What is asked goes before how it is decided, which `dt approvals` tells too."""
    table = _table()
    table.add_column(no_wrap=True)
    for ratio in (3, 2) if columns >= ROOM_FOR_NAMES else (1,):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    for request_id, asked, commands in rows:
        cells = [Text(request_id, "yellow"), Text(asked), Text(commands, "dim")]
        table.add_row(*cells[: len(table.columns)])
    return table


def _work(rows: Sequence[Work], columns: int) -> Table:
    table = _table()
    has_names, has_bars = columns >= ROOM_FOR_NAMES, columns >= ROOM_FOR_BARS
    for is_there, ratio in (
        (True, 0),
        (has_names, 0),
        (True, 3),
        (has_names, 2),
        (has_bars, 0),
        (True, 0),
        (has_names, 0),
    ):
        if is_there:
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio or None)
    for row in rows:
        percent = row.percent or 0.0
        cells: list[RenderableType] = [Text(row.task_id, "cyan")]
        cells += [Text(row.agent_id)] if has_names else []
        cells += [Text(row.title)]
        cells += [Text(row.step, "dim")] if has_names else []
        cells += [ProgressBar(100, percent, width=BAR_COLUMNS) if row.percent is not None else ""] if has_bars else []
        cells += [Text(f"{percent:.0f} %" if row.percent is not None else "", justify="right")]
        cells += [Text(row.left or f"for {row.since}")] if has_names else []
        table.add_row(*cells)
    return table


def _plain(rows: Sequence[tuple[str, str, str]]) -> Table:
    table = _table()
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _lately(page: LivePage, events: Sequence[Event], columns: int) -> Table:
    table = _table()
    has_names = columns >= ROOM_FOR_NAMES
    for _ in range(4 if has_names else 2):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for event in reversed(events):
        colour = TYPE_COLOURS.get(live_type(event)) or STATUS_COLOURS.get(str(event.changes.get("status")), "")
        who = (Text(harmless(event.by)), Text(harmless(event_words(event)), "dim")) if has_names else ()
        what = Text(event.type.value.replace("_", " "), colour)
        table.add_row(Text(local(event.at, page.now), "dim"), Text(event.task_id), what, *who)
    return table


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _daemon_words(call: Call) -> str:
    card = running_daemon(call.home.daemon_file)
    return NO_DAEMON if card is None else f"running, pid {card.process.pid}"
