"""Watching folders: who tells, who only hints, and that each way wakes whoever looks."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamos_tasks.intake import folder_watch
from dreamos_tasks.intake.folder_watch import FolderWatch, InotifyWatch, WatchfilesWatch, open_watch
from tests.intake.dropping import Box
from tests.waiting import until


@pytest.fixture(params=["inotify", "watchfiles", "polling"])
async def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FolderWatch]:
    monkeypatch.setattr(folder_watch, "POLL_MILLISECONDS", 10)
    happened = asyncio.Event()
    made = (
        InotifyWatch(happened)
        if request.param == "inotify"
        else WatchfilesWatch(happened, polling=request.param == "polling")
    )
    yield made
    await made.close()
    await made.close()


async def hears(watch: FolderWatch, folder: Path) -> None:
    """Rename files in until the watch has heard of one; twice, for the first word may be about the folder itself."""
    number = 0

    def dropped() -> bool:
        nonlocal number
        number += 1
        beside = folder.with_name("beside.json")
        beside.write_text("{}")
        beside.rename(folder / f"{number}.json")
        return watch.happened.is_set()

    for _ in range(2):
        watch.happened.clear()
        await until(dropped)


async def test_a_dropped_file_wakes(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    watch.follow([folder])

    await hears(watch, folder)


async def test_every_followed_folder_wakes(watch: FolderWatch, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("inbox", "ada")]
    for folder in folders:
        folder.mkdir()
    watch.follow(folders[:1])
    watch.follow(folders)

    for folder in folders:
        await hears(watch, folder)


async def test_a_folder_that_was_made_again_wakes_again(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    watch.follow([folder])
    await hears(watch, folder)
    folder.rename(tmp_path / "aside")
    folder.mkdir()
    watch.follow([folder])

    await hears(watch, folder)


async def test_a_folder_that_is_gone_is_no_error(watch: FolderWatch, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    watch.follow([folder, tmp_path / "nowhere"])
    folder.rmdir()
    watch.follow([folder])
    folder.mkdir()
    watch.follow([folder])

    await hears(watch, folder)


async def test_inotify_knows_which_files_are_finished(tmp_path: Path) -> None:
    watch = InotifyWatch(asyncio.Event())
    watch.follow([tmp_path])
    heard: set[Path] = set()

    def finished() -> set[Path]:
        heard.update(watch.finished())
        return heard

    with (tmp_path / "open.json").open("w") as file:
        file.write("{")
        file.flush()
        (tmp_path / "closed.json").write_text("{}")
        (tmp_path / "closed.json").rename(tmp_path / "moved.json")
        await until(lambda: tmp_path / "moved.json" in finished())
        assert tmp_path / "open.json" not in heard
    await until(lambda: tmp_path / "open.json" in finished())
    await watch.close()


async def test_without_a_watch_left_the_rescan_finds_what_is_dropped(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dreamos_tasks.intake.inotify.Inotify.watch", none_left)
    box.watcher = box.new_watcher(rescan_seconds=0.01)
    await box.watcher.start()
    box.drop("a.json", {"title": "x"})

    await until(box.accepted)


async def test_without_inotify_watchfiles_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("dreamos_tasks.intake.inotify.Inotify.__init__", none)

    assert isinstance(open_watch(tmp_path, asyncio.Event()), WatchfilesWatch)


@pytest.mark.parametrize("reason", ["variable", "network"])
async def test_what_nobody_tells_is_polled(box: Box, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setattr(folder_watch, "POLL_MILLISECONDS", 10)
    if reason == "variable":
        monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    else:
        monkeypatch.setattr(folder_watch, "mount_kind", lambda _: "nfs4")
    await box.watcher.start()
    box.drop("a.json", {"title": "x"})
    await until(box.accepted)
    (box.inbox / "ada").mkdir(mode=0o700)
    box.drop("b.json", {"title": "y"}, agent="ada")

    await until(lambda: len(box.accepted()) == 2)
