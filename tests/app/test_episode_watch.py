"""EpisodeWatch: an episode ends with its last task, also when that ended while no daemon ran."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.app.episode_watch import EpisodeWatch
from dreamos_tasks.app.episodes import log_of, write_log
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.episodes import Episodes
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.model.episode import Assignment, Episode, EpisodePlan, EpisodeState
from dreamos_tasks.model.event import Event
from tests.waiting import until

PLAN = EpisodePlan(title="Small", assignments=(Assignment(agent_id="ada", task_id="a-1", title="one"),))

WRITERS = 4


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path, found_by="--home")


@pytest.fixture
async def watched(home: Home) -> AsyncIterator[tuple[BoardDesk, EpisodeWatch]]:
    def told(events: Sequence[Event]) -> None:
        for event in events:
            watch.happened(event)

    desk = BoardDesk(lambda: open_board(home, Settings()), on_commit=told)
    watch = EpisodeWatch(desk, home, agent_id="daemon")
    await desk.start()
    yield desk, watch
    await watch.stop()
    await desk.stop()


def log_text(log: Path) -> str:
    """What the log says; nothing while there is none, such as when a stale one has just been set aside."""
    try:
        return log.read_text()
    except FileNotFoundError:
        return ""


async def begin(desk: BoardDesk) -> Episode:
    return await desk.write(lambda nexus: Episodes(nexus).start(PLAN, by="cli"))


async def finish(desk: BoardDesk) -> None:
    await desk.write(lambda nexus: nexus.claim_task("a-1", "ada"))
    await desk.write(lambda nexus: nexus.mark_task_completed("a-1", "ada"))


async def test_an_episode_ends_with_its_last_task(home: Home, watched: tuple[BoardDesk, EpisodeWatch]) -> None:
    desk, watch = watched
    episode = await begin(desk)
    watch.start()
    await finish(desk)
    await until(lambda: log_of(episode, home).exists())
    ended = await desk.read(lambda nexus: Episodes(nexus).get(episode.episode_id))
    assert (ended.state, ended.ended_by) == (EpisodeState.COMPLETED, "daemon")


async def test_one_that_ended_without_a_daemon_is_seen_at_the_start(
    home: Home, watched: tuple[BoardDesk, EpisodeWatch]
) -> None:
    desk, watch = watched
    episode = await begin(desk)
    await finish(desk)
    watch.start()
    await until(lambda: log_of(episode, home).exists())


async def test_a_log_that_could_not_be_written_is_written_later(
    home: Home, watched: tuple[BoardDesk, EpisodeWatch]
) -> None:
    desk, watch = watched
    episode = await begin(desk)
    await finish(desk)
    await desk.write(lambda nexus: Episodes(nexus).settle(by="daemon"))  # and died before the log was written
    watch.start()
    await until(lambda: log_of(episode, home).exists())
    assert "1 of 1 tasks completed" in log_of(episode, home).read_text()


async def test_the_log_of_one_that_runs_again_is_set_aside_and_one_of_another_end_is_written_anew(
    home: Home, watched: tuple[BoardDesk, EpisodeWatch]
) -> None:
    desk, watch = watched
    episode = await begin(desk)
    watch.start()
    stopped = await desk.write(lambda nexus: Episodes(nexus).stop(episode.episode_id, by="cli"))
    await until(lambda: log_of(episode, home).exists())
    await desk.write(lambda nexus: nexus.take_back(nexus.last_change(), by="cli"))
    await until(lambda: not log_of(episode, home).exists())

    write_log(stopped, [], home)  # by one who had seen it stopped
    await finish(desk)
    await until(lambda: "**completed**" in log_text(log_of(episode, home)))


def test_a_log_may_be_written_by_several_threads_of_the_daemon_at_once(home: Home) -> None:
    with closing(open_board(home, Settings())) as nexus:
        episode = Episodes(nexus).start(PLAN, by="cli")
        tasks = Episodes(nexus).tasks_of(episode)
    with ThreadPoolExecutor(WRITERS) as threads:
        written = list(threads.map(lambda _: write_log(episode, tasks, home), range(20 * WRITERS)))
    assert [path.name for path in written[0].parent.iterdir()] == ["completion_log.md"]
