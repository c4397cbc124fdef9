"""Episodes that are over: their end is written onto the board, and a completion log beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dreamos_tasks.app.boards import make_folder
from dreamos_tasks.board.episodes import Episodes
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.model.episode import Episode, EpisodeState
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.whole_file import replace_with, sync_folder, this_writer, write_beside

LOG_NAME = "completion_log.md"
SET_ASIDE_NAME = "completion_log.taken-back.md"  # of an episode that ended and runs again


def settle_episodes(nexus: TaskNexus, home: Home, *, by: str) -> Sequence[Episode]:
    """End the episodes whose tasks are all over, and write their logs; gives these. Raises OSError, BoardUnavailable kinds.

    The log of one that runs again is set aside.
    """
    over = Episodes(nexus).settle(by=by)
    set_aside_logs(nexus, home)
    for episode, tasks in unlogged(nexus, home):
        write_log(episode, tasks, home)
    return over


def unlogged(nexus: TaskNexus, home: Home) -> Sequence[tuple[Episode, Sequence[Task]]]:
    """The episodes that are over and have no completion log of this end, and their tasks.

    Whoever ended one may have died before it, or have written it while the end was taken back.
    """
    episodes = Episodes(nexus)
    return [
        (episode, episodes.tasks_of(episode))
        for episode in episodes.all()
        if episode.state is not EpisodeState.RUNNING and not _is_logged(episode, home)
    ]


def set_aside_logs(nexus: TaskNexus, home: Home) -> None:
    """Rename the completion logs of episodes that run: their end was taken back. Raises OSError."""
    for episode in Episodes(nexus).all():
        path = log_of(episode, home)
        if episode.state is EpisodeState.RUNNING and path.exists():
            with suppress(FileNotFoundError):  # somebody else was faster
                path.replace(path.with_name(SET_ASIDE_NAME))
            sync_folder(path.parent)


def write_log(episode: Episode, tasks: Sequence[Task], home: Home) -> Path:
    """Write what became of an episode, for people; gives the file. Raises OSError."""
    path = log_of(episode, home)
    make_folder(path.parent)
    beside = path.with_name(
        f".{path.name}.{this_writer()}.part"
    )  # a verb may be at it at the same moment as the daemon
    write_beside(beside, ["\n".join(_lines(episode, tasks)).encode("utf-8")])
    replace_with(beside, path)
    sync_folder(path.parent)
    return path


def log_of(episode: Episode, home: Home) -> Path:
    """Where its completion log lies, once it is over."""
    return home.episodes / episode.episode_id / LOG_NAME


def _is_logged(episode: Episode, home: Home) -> bool:
    try:
        return _end_line(episode).encode("utf-8") in log_of(episode, home).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False


def _end_line(episode: Episode) -> str:
    """What the log of this end says, and of no other."""
    assert episode.ended_at is not None, "it is over"
    return f"- ended {instant_to_text(episode.ended_at)} by {episode.ended_by}"


def _lines(episode: Episode, tasks: Sequence[Task]) -> Sequence[str]:
    plan = episode.plan
    completed = sum(task.status is Status.COMPLETED for task in tasks)
    lines = [
        f"# {_one_line(plan.title)}",
        "",
        f"- {episode.episode_id}: **{episode.state.value}**"
        + (f", {_one_line(episode.reason)}" if episode.reason else ""),
        f"- started {instant_to_text(episode.started_at)} by {episode.started_by}",
    ]
    if episode.ended_at is not None:
        took = episode.ended_at - episode.started_at
        lines.append(f"{_end_line(episode)}, after {took}")
    lines += [f"- {completed} of {len(tasks)} tasks completed", ""]
    lines += [f"North star: {_one_line(plan.north_star)}", ""] if plan.north_star else []
    for head, texts in (("Core objectives", plan.core_objectives), ("Definition of done", plan.definition_of_done)):
        if texts:
            lines += [f"## {head}", "", *(f"- {_one_line(text)}" for text in texts), ""]
    lines += ["## Tasks", ""]
    for task in tasks:
        lines += _task_lines(task)
    return [*lines, ""]


def _task_lines(task: Task) -> Sequence[str]:
    who = task.extra.get("episode_agent", "-")
    box = "x" if task.status is Status.COMPLETED else " "
    ended = f", {instant_to_text(task.finished_at)}" if task.finished_at is not None else ""
    lines = [f"- [{box}] {_one_line(task.title)} ({task.task_id}, {who}): {task.status.value}{ended}"]
    lines += [f"  - proved by `{_one_line(proof.command)}`, exit code {proof.exit_code}" for proof in task.evidence]
    if task.error is not None and task.status is Status.FAILED:
        lines.append(f"  - {_one_line(task.error.message)}")
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())
