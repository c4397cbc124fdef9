"""Every seam of the program: what a store, a tool and a clock owe to those who use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from dreamos_tasks.model.event import Change, Event
    from dreamos_tasks.model.hold import KeyUse
    from dreamos_tasks.model.pruning import HistoryPage
    from dreamos_tasks.model.query import ClaimRequest, TaskQuery
    from dreamos_tasks.model.task import Task
    from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult


class Clock(Protocol):
    """Where `now` comes from. Aware, UTC, microseconds."""

    def now(self) -> datetime:
        """The instant, in the board's time: it goes on evenly while the machine is up, whatever is done to the wall clock."""
        ...


class TaskStore(Protocol):
    """Keeps tasks and their events. Knows how to find and write them, and decides nothing.

    All calls may come from any thread; one transaction runs at a time, among all processes.
    """

    key_limits: Mapping[str, int]
    """How many tasks of a `concurrency_key` may be worked on at once, by key; one of those that are not named."""

    def transaction(self) -> AbstractContextManager[object]:
        """Everything written inside is kept together, or nothing is. One inside another can fail without the outer one.

        Raises BoardUnavailable (or a kind of it) when the board cannot be had.
        """
        ...

    def clock_offset(self, measure: ClockReading) -> int:
        """Microseconds to add to time since boot to get board time; kept on the board, made on the first call of a boot."""
        ...

    def set_clock_offset(self, boot_id: str, offset_us: int) -> None:
        """Replace the offset, inside a transaction. Only while nobody holds a lease: it would be stretched or cut."""
        ...

    def get(self, task_id: str) -> Task | None:
        """The task with exactly this id."""
        ...

    def find(self, query: TaskQuery, *, now: datetime) -> Sequence[Task]:
        """The tasks that fit the query, in its order, at most `query.limit`."""
        ...

    def count(self, field: str, *, now: datetime) -> Mapping[str, int]:
        """How many tasks there are by `status`, `priority`, `agent` (who holds it) or `tag`."""
        ...

    def next_claimable(self, request: ClaimRequest, *, now: datetime) -> Task | None:
        """The first task, by priority, due instant and age, that `lifecycle.refusals` has nothing against.

        Expired claims count as claimable. Call it inside a transaction.
        """
        ...

    def unfinished_dependencies(self, task: Task) -> Sequence[str]:
        """Those of `task.depends_on` that are not completed, in their order."""
        ...

    def key_use(self, task: Task, *, now: datetime) -> KeyUse | None:
        """Who else runs under the task's `concurrency_key` now, and its place in line; None when there is room for it."""
        ...

    def kept(self, shelf: str, key: str) -> Mapping[str, object] | None:
        """What is kept beside the tasks on a shelf under a key, as `keep` was given it; not to be changed."""
        ...

    def keep(self, shelf: str, key: str, form: Mapping[str, object] | None) -> None:
        """Keep a JSON object, inside a transaction; None: nothing. Neither tasks nor events know of it.

        Raises Refused when the board has no place for it: a JSON board that is an array of tasks.
        """
        ...

    def all_kept(
        self, shelf: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Mapping[str, Mapping[str, object]]:
        """What is kept on a shelf under keys that start so, by key and in their order, behind the key `after`."""
        ...

    def shelves(self) -> Sequence[str]:
        """The shelves on which something is kept, in their order."""
        ...

    def waiting_in(self, line: str, *, limit: int) -> Sequence[str]:
        """The first tasks that stand in this line of a gate (`GateWait.line`), in the order of claiming."""
        ...

    def save(self, change: Change) -> None:
        """Write the task and its events, inside the open transaction; the store gives the events their seq.

        Raises DuplicateTaskId when a new task's id is taken.
        """
        ...

    def load(
        self,
        tasks: Iterable[Task],
        events: Iterable[Event],
        *,
        offsets: Mapping[str, int],
        kept: Iterable[tuple[str, str, Mapping[str, object]]] = (),
    ) -> None:
        """Fill an empty board with what another one held, inside a transaction: nothing is decided, and nothing is added.

        `tasks` by age, all that they link to among them; `events` with their seq, oldest first; `offsets` by boot id;
        `kept`: shelf, key and form of all that is kept beside the tasks.
        Raises Refused when there is anything on the board.
        """
        ...

    def events_after(self, seq: int, *, task_id: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """Events with a greater seq, oldest first."""
        ...

    def step_ends(
        self, *, tool: str | None = None, step: str | None = None, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[Event]:
        """How steps ended (completed or failed), newest first: their events with the detail, without the changes.

        By the tool that they ran through and the step's name; `since`: not before this instant. Cheap on a long log for a
        tool and a step together, for a window of time, and for the newest of all.
        """
        ...

    def long_histories(self, *, ended_before: datetime, after: str | None = None, limit: int = 1000) -> HistoryPage:
        """Tasks that are over since before then and have more events than need be kept, by age, behind the task `after`.

        At most `limit` tasks are looked at; those among them that fit are given.
        """
        ...

    def shorten_history(self, event: Event) -> int:
        """Put this event in the place of all events of its task but the first, inside a transaction.

        It has the seq of the task's newest event (see model.pruning). Gives how many events went.
        """
        ...

    def last_seq(self) -> int:
        """The seq of the newest event, 0 on an empty board."""
        ...

    def task_count(self) -> int:
        """About how many tasks there are: what the length of a fresh id depends on."""
        ...

    def next_instant(self, *, now: datetime) -> datetime | None:
        """When the next lease runs out or the next `not_before` is reached, after `now`: the earliest reason to look again.

        Whoever looks for a task and then sleeps until this instant takes `now` before looking, or it may miss one.
        """
        ...

    def change_mark(self) -> int:
        """A number that differs after another process has written. Cheap enough to ask every second."""
        ...

    def backup(self, target: Path) -> None:
        """A complete copy at one instant, while others go on writing. `target` must not exist."""
        ...

    def integrity_problems(self) -> Sequence[str]:
        """What is wrong with the file; empty when it is sound."""
        ...

    def survive_forks(self) -> None:
        """From now on this process may fork: what parent or child then write to the board lasts."""
        ...

    def close(self) -> None:
        """May be called twice."""
        ...


class ClockReading(Protocol):
    """One reading of the machine's clocks."""

    @property
    def boot_id(self) -> str: ...
    @property
    def since_boot_us(self) -> int: ...
    @property
    def wall_us(self) -> int: ...


class ToolAdapter(Protocol):
    """One tool. Translates a call into the world and back; retries, state and decisions are the executor's."""

    @property
    def name(self) -> str:
        """The word a step names it by."""
        ...

    def params_schema(self) -> Mapping[str, object]:
        """JSON Schema (2020-12) of `params`."""
        ...

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """What is wrong with the parameters; empty when a call could be made. No I/O."""
        ...

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """What such a call is expected to cost. No I/O."""
        ...

    async def health(self) -> Health:
        """Whether the tool can be used on this machine now."""
        ...

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """Make the call. Never raises for a failing call: that is a ToolResult with a category.

        When cancelled (asyncio.CancelledError) it ends everything it started before it lets the error go on.
        """
        ...


class Undoable(Protocol):
    """A ToolAdapter that can take back what a call did. It gives `ToolResult.undo` with every call that it can take back."""

    async def undo(self, record: object, context: ToolContext) -> ToolResult:
        """Take a call back, by its `ToolResult.undo` as it was kept on the board. What changed since is left as it is.

        Never raises for an undo that fails: that is a ToolResult with a category. Undoing twice is as undoing once.
        """
        ...


class KeepsRecords(Protocol):
    """An Undoable that writes down what it changes before it does, so that a call that was cut off can be taken back too."""

    def recorded(self, context: ToolContext) -> Sequence[object]:
        """The records of all that the run of this context has changed or begun to change, newest first."""
        ...


class SharesResource(Protocol):
    """A ToolAdapter whose calls share something with others, which may be overloaded or out of order: a host."""

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        """What a call with these parameters shares, as `example.com:8080`; None when that is not known. No I/O.

        Calls that share it are counted together: by a circuit breaker, and by a limit of rate or concurrency.
        """
        ...
