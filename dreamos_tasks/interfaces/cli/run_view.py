"""RunView: how a run in the foreground is shown. Plain lines as they come; on a terminal, bars below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from dreamos_tasks.interfaces.cli.eta import basis_words, range_words
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.text import COLOUR_CODES, coloured, duration, harmless, harmless_block, width
from dreamos_tasks.model.durations import DurationRange
from dreamos_tasks.model.event import STEP_END_WORDS, Event, EventType
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.plan_order import is_sequence
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from dreamos_tasks.app.foreground_asking import Decision
    from dreamos_tasks.interfaces.cli.run_bars import Ahead, RunBars
    from dreamos_tasks.model.request import Request
    from dreamos_tasks.protocols import Clock

UNDO_ENDS = {EventType.STEP_UNDONE: "undone", EventType.STEP_UNDO_FAILED: "not undone"}
STEP_COLOURS = ("cyan", "green", "yellow", "blue", "red")  # of steps that run side by side, one after another
WIDEST_PREFIX = 20


class RunView:
    """Shows one task as it runs. All of it is talk, on stderr: stdout has the result alone.

    `ahead` looks how far the task is and what is left; `person` is who may decide at this terminal, None: nobody.
    """

    def __init__(self, out: Output, task: Task, *, clock: Clock, ahead: Ahead, person: str | None = None) -> None:
        self._out = out
        self._task_id = task.task_id
        self._clock = clock
        self._ahead = ahead
        self._person = person
        self._steps = [step.name for step in task.plan.steps] if task.plan is not None else []
        self._is_sequence = task.plan is None or is_sequence(task.plan)
        self._done = {record.name for record in task.steps if record.status.value == "completed"}
        self._printed: set[str] = set()  # steps whose output was shown as it came
        self._held: list[tuple[str, str, str]] | None = None  # lines that wait until the person has answered
        self._bars: RunBars | None = None
        self._title = harmless(task.title)
        if self._done:
            out.note(f"{task.task_id}  goes on: {len(self._done)} of {len(self._steps)} steps are completed")
        else:
            out.note(f"{task.task_id}  {self._title}")

    @property
    def asks_people(self) -> bool:
        """Whether somebody is there who can decide."""
        return self._person is not None

    def __enter__(self) -> Self:
        if not self._out.as_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from dreamos_tasks.interfaces.cli.run_bars import RunBars

            self._bars = RunBars(self._title, total=len(self._steps), ahead=self._ahead)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def show(self, event: Event) -> None:
        """One event."""
        if event.type is EventType.STEP_STARTED:
            self._show_start(event)
        elif event.type in STEP_END_WORDS:
            self._show_end(_step_of(event), STEP_END_WORDS[event.type], event.detail)
        elif event.type in UNDO_ENDS:
            reason = f": {harmless(str(event.detail['reason']))}" if event.detail.get("reason") else ""
            self._say(f"  {harmless(str(event.detail.get('step')))}: {UNDO_ENDS[event.type]}{reason}")
        elif event.type is EventType.ROLLBACK_STARTED:
            self._say("  what its steps have changed is taken back")
        elif event.type in (EventType.TASK_RETRY_SCHEDULED, EventType.TASK_DEFERRED):
            error = event.changes.get("error") or {}
            at = event.changes.get("not_before")
            wait = f"; the next try in {duration((read_instant(at) - event.at).total_seconds())}" if at else ""
            self._say(f"  {harmless(str(error.get('message', 'not now')))}{wait}")

    def print_line(self, step: str, line: str) -> None:
        """A line that a step has printed. Of a line that repaints itself, its last state."""
        self._printed.add(step)
        shown = harmless_block(line.rstrip("\r").rpartition("\r")[2])
        if self._is_sequence:
            self._say(shown, prefix="    | ")
            return
        colour = STEP_COLOURS[self._steps.index(step) % len(STEP_COLOURS)] if step in self._steps else ""
        room = min(WIDEST_PREFIX, max((width(harmless(name)) for name in self._steps), default=0))
        name = harmless(step)
        self._say(shown, prefix=f"    {name}{' ' * (room - width(name))} | ", colour=colour)

    def tick(self) -> None:
        """Some time has passed."""
        if self._bars is not None and self._held is None:
            self._bars.tick(done=len(self._done))

    def interrupted(self, *, at_once: bool) -> None:
        """A signal asks for the end."""
        if at_once:
            self.__exit__()
            self._out.note(f"left at once, in the middle of a step; dt run {self._task_id} goes on")
        else:
            self._say("pausing: the step that runs is being ended; Ctrl-C again leaves at once")

    async def ask(self, task: Task, request: Request) -> Decision | None:
        """What the person says to it."""
        from dreamos_tasks.interfaces.cli.run_prompt import ask_person

        assert self._person is not None, "nobody is asked where nobody is"
        if self._bars is not None:
            self._bars.stop()
        self._held = []
        try:
            decision = await ask_person(
                request, say=self._out.note, prompt=_prompt, person=self._person, now=self._clock.now()
            )
            if decision is None:
                self._out.note(f"later: dt show {task.task_id} says how to decide")
            return decision
        finally:
            held, self._held = self._held, None
            if self._bars is not None:
                self._bars.start()
            for words, prefix, colour in held:
                self._say(words, prefix=prefix, colour=colour)

    def _show_start(self, event: Event) -> None:
        name = str(_step_of(event).get("name", ""))
        self._printed.discard(name)
        expected = DurationRange(**event.detail["estimate"]) if event.detail.get("estimate") else None
        told = f", {range_words(expected)} expected, {basis_words(expected)}" if expected is not None else ""
        self._say(f"  {harmless(name)}: started{told}")
        if self._bars is not None:
            self._bars.begin(harmless(name), expected)

    def _show_end(self, step: Mapping[str, Any], word: str, detail: Mapping[str, Any]) -> None:
        name = str(step.get("name", ""))
        if self._bars is not None:
            self._bars.finish(harmless(name))
        if name not in self._printed:
            printed = step.get("output_tail") or step.get("output_head") or ""
            for line in str(printed).rstrip("\n").splitlines():
                self.print_line(name, line)
        early = ", earlier than expected" if detail.get("finished_early") else ""
        why = _why_skipped(step) if word == "skipped" else ""
        self._say(f"  {harmless(name)}: {word}{_took(step)}{early}{why}")
        if word == "completed":
            self._done.add(name)

    def _say(self, words: str, *, prefix: str = "", colour: str = "") -> None:
        if self._held is not None:
            self._held.append((words, prefix, colour))
        elif self._bars is not None:
            self._bars.say(words, prefix=prefix, colour=colour)
        else:
            shown = coloured(prefix, colour) if colour in COLOUR_CODES and self._out.stderr_shows_colours else prefix
            self._out.note(f"{shown}{words}")


def _prompt(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _step_of(event: Event) -> Mapping[str, Any]:
    """The record of the step that the event is about."""
    records = event.changes.get("steps") or ()
    named = event.detail.get("step")
    found = [record for record in records if named is None or record.get("name") == named]
    step: Mapping[str, Any] = found[-1] if found else {"name": named or ""}
    return step


def _why_skipped(step: Mapping[str, Any]) -> str:
    message = str((step.get("error") or {}).get("message", "")).removeprefix("skipped: ")
    return f": {harmless(message)}" if message else ""


def _took(step: Mapping[str, Any]) -> str:
    if not (step.get("started_at") and step.get("finished_at")):
        return ""
    seconds = (read_instant(step["finished_at"]) - read_instant(step["started_at"])).total_seconds()
    return f" after {duration(seconds)}"
