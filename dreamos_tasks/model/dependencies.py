"""Dependencies among tasks: rings are found and named before they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence


def find_cycle(start: str, needs: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """A ring through `start`, as the ids along it with `start` at both ends; empty when there is none.

    `needs` gives the ids that a task depends on. Every task upstream of `start` is visited once.
    """
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        task_id = waiting.pop()
        for other in needs(task_id):
            if other == start:
                return _path(start, task_id, came_from)
            if other not in came_from:
                came_from[other] = task_id
                waiting.append(other)
    return ()


def ring_closers(needs: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """By task those of its dependencies without which there is no ring; empty when there is none. Looks at each link once."""
    closers: dict[str, list[str]] = {}
    on_path: set[str] = set()
    done: set[str] = set()
    for start in needs:
        path = [(start, iter(needs[start]))] if start not in done else []
        on_path.update(task_id for task_id, _ in path)
        while path:
            task_id, others = path[-1]
            other = next(others, None)
            if other is None:
                path.pop()
                on_path.remove(task_id)
                done.add(task_id)
            elif other in on_path:
                closers.setdefault(task_id, []).append(other)
            elif other not in done:
                on_path.add(other)
                path.append((other, iter(needs.get(other, ()))))
    return closers


def _path(start: str, last: str, came_from: dict[str, str]) -> tuple[str, ...]:
    back: list[str] = [start, last] if last != start else [start]
    while back[-1] != start:
        back.append(came_from[back[-1]])
    ring: Sequence[str] = back if len(back) > 1 else [start, start]
    return tuple(reversed(ring))
