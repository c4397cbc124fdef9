"""A file of another program is replaced whole, by nobody else's change unnoticed, and never behind a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dreamos_tasks.app.setup.placed_file import PlacedFile
from dreamos_tasks.errors import InvalidInput, LeadsElsewhere, Refused


def test_what_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = PlacedFile.at(tmp_path, "settings.json")
    (tmp_path / "settings.json").write_bytes(b"theirs")

    for before in (b"mine", None):
        with pytest.raises(Refused, match="changed meanwhile"):
            file.put(before, b"new", private=True)

    assert (tmp_path / "settings.json").read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["settings.json"]


def test_a_folder_that_became_a_link_after_the_look_is_not_written_through(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    file = PlacedFile.at(root, ".tool/settings.json")
    (root / ".tool").symlink_to(elsewhere)

    with pytest.raises(OSError, match=r"\.tool"):
        file.put(None, b"new", private=True)

    assert list(elsewhere.iterdir()) == []
    with pytest.raises(LeadsElsewhere):
        PlacedFile.at(root, ".tool/settings.json")


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidInput, match="UTF-8"):
        PlacedFile.at(tmp_path, "latin").text()
    with pytest.raises(InvalidInput, match="no ordinary file"):
        PlacedFile.at(tmp_path, "pipe").text()


def test_folders_that_were_made_for_it_go_with_it_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "more").touch()
    for name in ("ours/deep/file", "theirs/file"):
        PlacedFile.at(tmp_path, name).put(None, b"new", private=False)
        PlacedFile.at(tmp_path, name).put(b"new", None, private=False)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["theirs", "theirs/more"]
