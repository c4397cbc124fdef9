"""Listing: which tasks a query string asks for, and one page of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import DEFAULT_LISTED, MOST_LISTED
from dreamos_tasks.interfaces.words import Category, State
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status, priority_from

Urgency = Literal["critical", "high", "medium", "low", "0", "1", "2", "3", "urgent", "normal"]
Id = Annotated[str, Field(min_length=1, max_length=200)]
KEPT = frozenset(status.value for status in Status)


class ListQuery(shared.Parameters):
    """Which tasks; everything given must fit."""

    status: list[State] = Field(default_factory=list, description="In any of these states.")
    tag: list[shared.Word] = Field(default_factory=list, description="With all of these tags.")
    priority: (
        Annotated[Urgency, BeforeValidator(lambda given: given.lower() if isinstance(given, str) else given)] | None
    ) = None
    agent: shared.Word | None = Field(default=None, description="Held by, or assigned to.")
    parent: Id | None = Field(default=None, description="The children of this task.")
    text: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="With these words in title or description, in any case."
    )
    category: Category | None = Field(default=None, description="Of the error it ended with.")
    order: Literal["newest", "age", "queue"] = Field(default="newest", description="queue: as they would be claimed.")
    limit: int = Field(default=DEFAULT_LISTED, ge=1, le=MOST_LISTED)
    after: Id | None = Field(default=None, description="Go on behind this task, the last one of the page before.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the tasks that fit. `total`: how many there are in all, where that is known at once."""

    documents: list[dict[str, Any]]
    next_after: str | None
    total: int | None


def page_of(nexus: TaskNexus, asked: ListQuery) -> Page:
    """The page. Raises TaskNotFound, AmbiguousTaskId."""
    query = TaskQuery(
        statuses=frozenset(asked.status),
        tags=tuple(asked.tag),
        priority=priority_from(asked.priority) if asked.priority is not None else None,
        agent=asked.agent,
        parent_id=nexus.get_task_by_id(asked.parent).task_id if asked.parent is not None else None,
        text=asked.text,
        category=ErrorCategory(asked.category) if asked.category is not None else None,
        order=Order(asked.order),
    )
    after = nexus.get_task_by_id(asked.after).task_id if asked.after is not None else None
    found = nexus.find_tasks(replace(query, after=after, limit=asked.limit + 1))
    shown = found[: asked.limit]
    return Page(
        documents=[task_document(nexus, task) for task in shown],
        next_after=shown[-1].task_id if len(found) > len(shown) else None,
        total=_total(nexus, query),
    )


def _total(nexus: TaskNexus, query: TaskQuery) -> int | None:
    """How many tasks fit, for those who ask by state alone; counting others would take as long as finding them."""
    if query != TaskQuery(statuses=query.statuses, order=query.order) or query.statuses - KEPT:
        return None
    counts = nexus.stats()["status"]
    return sum(counts.get(word, 0) for word in query.statuses or KEPT)
