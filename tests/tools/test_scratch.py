"""Scratch folders: private, removed after use, and removed by others when their user was killed."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamos_tasks.tools.scratch import FORGOTTEN_SECONDS, PREFIX, remove_forgotten, scratch_folder

HOLDER = """
import sys
from dreamos_tasks.tools.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "profile").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's place for temporary files: one of our own, with a short path; pytest's own is chosen before."""
    with tempfile.TemporaryDirectory(prefix="dt-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def holder() -> tuple[subprocess.Popen[str], Path]:
    """A process that uses a scratch folder until its stdin is closed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def long_ago(folder: Path) -> None:
    then = folder.stat().st_mtime - 2 * FORGOTTEN_SECONDS
    os.utime(folder, (then, then))


def test_it_is_for_its_user_alone_and_gone_after_use() -> None:
    with scratch_folder() as folder:
        (folder / "cookies").write_text("secret")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert not folder.exists()


def test_where_a_socket_would_not_fit_it_lies_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with scratch_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / ("y" * 45)))

    assert not folder.exists()


def test_it_is_gone_also_when_its_use_fails() -> None:
    with pytest.raises(KeyError), scratch_folder() as folder:
        raise KeyError

    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_by_the_next_one(place: Path) -> None:
    process, left = holder()
    with process:
        process.send_signal(signal.SIGKILL)
    assert (left / "profile").is_dir()
    long_ago(left)

    with scratch_folder():
        assert not left.exists()


def test_what_a_living_process_uses_is_left_alone_however_old_it_is(place: Path) -> None:
    process, used = holder()
    with process:
        long_ago(used)
        remove_forgotten(place)
        assert (used / "profile").is_dir()
        process.communicate("")
    assert not used.exists()


def test_a_folder_that_only_has_such_a_name_is_left_alone_and_an_empty_one_removed(place: Path) -> None:
    of_somebody, empty = place / f"{PREFIX}main", place / f"{PREFIX}empty"
    (of_somebody / "src").mkdir(parents=True)
    empty.mkdir()
    for folder in (of_somebody, empty):
        long_ago(folder)

    remove_forgotten(place)

    assert [path.name for path in of_somebody.iterdir()] == ["src"]
    assert not empty.exists()


def test_young_folders_and_those_of_others_are_left_alone(place: Path) -> None:
    young = place / f"{PREFIX}young"
    young.mkdir()
    other = place / "other-program"
    other.mkdir()
    long_ago(other)
    link = place / f"{PREFIX}link"
    link.symlink_to(other)

    remove_forgotten(place)

    assert young.is_dir()
    assert other.is_dir()
    assert link.is_symlink()
