"""What is said of episodes that are not there, or there already."""

from __future__ import annotations

from collections.abc import Sequence

from dreamos_tasks.errors.families import NotFound, Refused


class EpisodeNotFound(NotFound):
    """No episode has this id."""

    code = "episode_not_found"

    def __init__(self, episode_id: str, *, known: Sequence[str] = ()) -> None:
        self.episode_id = episode_id
        cause = f"there are {', '.join(known[:5])}" if known else "none was ever started on this board"
        super().__init__(
            f"there is no episode {episode_id!r}", cause=cause, fix="dt episode list, or dt episode start FILE.yaml"
        )


class EpisodeRunning(Refused):
    """An episode of this name runs."""

    code = "episode_running"

    def __init__(self, episode_id: str) -> None:
        self.episode_id = episode_id
        super().__init__(
            f"{episode_id} runs already",
            cause="an episode is started once, until it is over",
            fix=f"dt episode status {episode_id}, or dt episode stop {episode_id}",
        )
