"""The tool `files`: what it writes, reads, changes, moves and deletes, and how it says that something cannot be done."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import resource
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.files import FilesOptions
from tests.tools.filing import Filing, files_tool


@pytest.fixture
def files(tmp_path: Path) -> Filing:
    return Filing.in_folder(tmp_path)


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


async def test_a_file_is_written_with_the_folders_on_its_way(files: Filing) -> None:
    result = await files.do("write", path="a/b/notes.txt", content="größer\n")

    assert (files.root / "a/b/notes.txt").read_text(encoding="utf-8") == "größer\n"
    assert result.category is None
    assert result.value == {
        "path": "a/b/notes.txt",
        "sha256": sha256("größer\n"),
        "size_bytes": 9,
        "created": True,
        "changed": True,
    }
    assert os.listdir(files.root / "a/b") == ["notes.txt"]


async def test_bytes_are_written_as_base64(files: Filing) -> None:
    content = bytes(range(256))

    await files.do("write", path="bytes", content=base64.b64encode(content).decode(), encoding="base64")

    assert (files.root / "bytes").read_bytes() == content


async def test_a_file_keeps_its_mode_when_it_is_written_anew(files: Filing) -> None:
    script = files.file("run.sh", "old", mode=0o754)

    result = await files.do("write", path="run.sh", content="new")

    assert (script.read_text(), script.stat().st_mode & 0o7777) == ("new", 0o754)
    assert (result.value["created"], result.value["changed"]) == (False, True)


async def test_what_is_written_anew_is_not_setuid(files: Filing) -> None:
    files.file("tool", "old", mode=0o4755)

    await files.do("write", path="tool", content="new")

    assert (files.root / "tool").stat().st_mode & 0o7777 == 0o755


async def test_writing_what_is_there_already_changes_nothing(files: Filing) -> None:
    path = files.file("same", "text")
    before = path.stat()

    result = await files.do("write", path="same", content="text", overwrite=False)

    assert (result.category, result.value["changed"], result.undo) == (None, False, None)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


async def test_a_file_is_not_overwritten_when_that_is_not_wanted(files: Filing) -> None:
    files.file("there", "old")

    result = await files.do("write", path="there", content="new", overwrite=False)

    assert (result.category, result.message) == (ErrorCategory.LOGIC, "there is a file there already")
    assert (files.root / "there").read_text() == "old"


@pytest.mark.parametrize("action", ["write", "edit"])
async def test_a_file_that_is_not_the_expected_one_is_left_as_it_is(files: Filing, action: str) -> None:
    files.file("shared", "theirs")
    params = {"content": "ours"} if action == "write" else {"old": "theirs", "new": "ours"}

    refused = await files.do(action, path="shared", expected_sha256=sha256("mine"), **params)
    done = await files.do(action, path="shared", expected_sha256=sha256("theirs").upper(), **params)

    assert (refused.category, refused.message) == (
        ErrorCategory.LOGIC,
        "shared is no longer the file that was expected",
    )
    assert done.category is None
    assert (files.root / "shared").read_text() == "ours"


async def test_a_file_that_should_be_there_and_is_not_is_not_made(files: Filing) -> None:
    result = await files.do("write", path="gone", content="new", expected_sha256=sha256("old"))

    assert result.category is ErrorCategory.LOGIC
    assert result.cause.endswith("it is not there")
    assert files.all == {}


async def test_other_names_of_a_file_keep_the_old_content(files: Filing, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("old")
    os.link(outside, files.root / "inside")

    result = await files.do("write", path="inside", content="new")

    assert (outside.read_text(), (files.root / "inside").read_text()) == ("old", "new")
    assert result.message == "it had 2 names (hard links); the others keep the old content"


async def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(min_free_bytes=2**60))

    result = await files.do("write", path="new", content="text")

    assert result.category is ErrorCategory.RESOURCE
    assert "have to stay free" in result.message
    assert files.all == {}


async def test_a_disk_that_fills_up_leaves_the_old_file_whole(files: Filing) -> None:
    path = files.file("log", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        result = await files.do("write", path="log", content="x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert result.category is ErrorCategory.RESOURCE
    assert path.read_text() == "old"
    assert os.listdir(files.root) == ["log"]


async def test_a_text_is_replaced_where_it_stands(files: Filing) -> None:
    files.file("code.py", "a = 1\nb = 2\n", mode=0o600)

    result = await files.do("edit", path="code.py", old="b = 2", new="b = 3")

    assert (files.root / "code.py").read_text() == "a = 1\nb = 3\n"
    assert (files.root / "code.py").stat().st_mode & 0o777 == 0o600
    assert result.value["replaced"] == 1


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ("c = 3", "does not hold the old text"),
        ("= 1", "holds the old text 2 times"),
        ("a = 1\nb", "its lines end in CR LF"),
    ],
)
async def test_a_text_that_does_not_stand_there_once_is_not_replaced(files: Filing, old: str, words: str) -> None:
    files.file("code.py", "a = 1\r\nb = 1\r\n")

    result = await files.do("edit", path="code.py", old=old, new="x")

    assert result.category is ErrorCategory.LOGIC
    assert words in result.message
    assert result.suggestions
    assert (files.root / "code.py").read_bytes() == b"a = 1\r\nb = 1\r\n"


async def test_a_text_is_replaced_everywhere_when_that_is_wanted(files: Filing) -> None:
    files.file("code.py", b"x \xff x x")

    result = await files.do("edit", path="code.py", old="x", new="yy", all=True)

    assert (files.root / "code.py").read_bytes() == b"yy \xff yy yy"
    assert result.value["replaced"] == 3


async def test_a_file_too_large_to_edit_is_left(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(min_free_bytes=0, edit_bytes=10))
    files.file("large", "x" * 11)

    result = await files.do("edit", path="large", old="x", new="y", all=True)

    assert (result.category, result.message) == (ErrorCategory.LOGIC, "large has more than 10 bytes")


async def test_a_file_is_read_with_what_it_is_known_by(files: Filing) -> None:
    files.file("text", "one\ntwo\nthree")

    result = await files.do("read", path="text", offset=1, limit=1)

    assert result.value == {
        "path": "text",
        "content": "two\n",
        "encoding": "utf-8",
        "sha256": sha256("one\ntwo\nthree"),
        "size_bytes": 13,
        "lines": 3,
        "next_offset": 2,
        "cut": False,
    }


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text(alphabet="aä😀", max_size=12), max_size=8),
    ending=st.sampled_from(["", "\n"]),
    limit=st.none() | st.integers(1, 3),
)
def test_a_file_read_piece_by_piece_is_read_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ending: str, limit: int | None
) -> None:
    files = Filing.in_folder(tmp_path_factory.mktemp("reading"), FilesOptions(value_bytes=60))
    text = "\n".join(lines) + ending
    files.file("text", text)

    async def read() -> str:
        found = ""
        offset: int | None = 0
        while offset is not None:
            value = (await files.do("read", path="text", offset=offset, limit=limit)).value
            assert len(value["content"].encode()) <= 60
            found += value["content"]
            offset = value["next_offset"]
        return found

    assert asyncio.run(read()) == text


async def test_of_a_line_that_is_too_long_the_beginning_is_read(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(value_bytes=6))
    files.file("text", "x" * 5 + "ä" * 9 + "\nend\n")

    first = (await files.do("read", path="text")).value
    second = (await files.do("read", path="text", offset=first["next_offset"])).value

    assert (first["content"], first["cut"], first["next_offset"]) == ("xxxxx", True, 1)
    assert (second["content"], second["cut"], second["next_offset"]) == ("end\n", False, None)


@pytest.mark.parametrize("content", [b"PNG\0\1", b"caf\xe9\n"])
async def test_what_is_no_text_is_read_as_base64_only(files: Filing, content: bytes) -> None:
    files.file("picture", content)

    refused = await files.do("read", path="picture")
    read = await files.do("read", path="picture", encoding="base64", offset=1, limit=3)

    assert (refused.category, refused.message) == (ErrorCategory.LOGIC, "picture is no UTF-8 text")
    assert base64.b64decode(read.value["content"]) == content[1:4]
    assert read.value["next_offset"] == 4


async def test_a_file_is_moved_and_folders_are_made(files: Filing) -> None:
    files.file("a.txt", "text")

    result = await files.do("move", path="a.txt", to="new/b.txt")

    assert result.value == {"path": "a.txt", "to": "new/b.txt"}
    assert (files.root / "new/b.txt").read_text() == "text"
    assert not (files.root / "a.txt").exists()


async def test_a_folder_is_moved_with_all_that_is_in_it(files: Filing) -> None:
    files.file("a/deep/file", "text")

    await files.do("move", path="a", to="b")

    assert (files.root / "b/deep/file").read_text() == "text"


async def test_nothing_is_moved_over_what_is_there(files: Filing) -> None:
    files.file("a", "a")
    files.file("b", "b")
    files.file("folder/c")

    refused = await files.do("move", path="a", to="b")
    folder = await files.do("move", path="a", to="folder", overwrite=True)
    replaced = await files.do("move", path="a", to="b", overwrite=True)

    assert (refused.category, refused.message) == (ErrorCategory.LOGIC, "there is a file b already")
    assert (folder.category, folder.message) == (
        ErrorCategory.CONFIGURATION,
        "folder is a folder, which nothing can replace",
    )
    assert replaced.category is None
    assert (files.root / "b").read_text() == "a"


async def test_a_folder_cannot_be_moved_into_itself(files: Filing) -> None:
    files.file("a/b/c")
    before = files.all

    result = await files.do("move", path="a", to="a/b/a")

    assert result.category is ErrorCategory.CONFIGURATION
    assert files.all == before


async def test_a_file_is_deleted(files: Filing) -> None:
    files.file("a", "text")

    result = await files.do("delete", path="a")

    assert result.value == {"path": "a", "deleted": 1}
    assert files.all == {}


async def test_a_folder_is_deleted_only_with_leave(files: Filing) -> None:
    files.file("a/b/c")
    (files.root / "a/b").chmod(0o500)

    refused = await files.do("delete", path="a")
    deleted = await files.do("delete", path="a", recursive=True)

    assert (refused.category, refused.message) == (ErrorCategory.LOGIC, "a is a folder with 2 in it")
    assert (deleted.category, deleted.value) == (None, {"path": "a", "deleted": 3})
    assert files.all == {}


async def test_of_a_link_the_link_is_deleted_and_moved(files: Filing, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    (files.root / "link").symlink_to(tmp_path / "outside")

    moved = await files.do("move", path="link", to="other")
    deleted = await files.do("delete", path="other", recursive=True)

    assert (moved.category, deleted.category) == (None, None)
    assert (tmp_path / "outside/file").exists()
    assert files.all == {}


async def test_deleting_what_is_not_there_may_be_a_success(files: Filing) -> None:
    missing = await files.do("delete", path="a/b")
    fine = await files.do("delete", path="a/b", missing_ok=True)

    assert missing.category is ErrorCategory.CONFIGURATION
    assert (fine.category, fine.value) == (None, {"path": "a/b", "deleted": 0})


@pytest.fixture(params=["a FIFO", "a socket"])
def special(request: pytest.FixtureRequest, files: Filing, monkeypatch: pytest.MonkeyPatch) -> str:
    """What lies there as `special`."""
    kind: str = request.param
    if kind == "a FIFO":
        os.mkfifo(files.root / "special")
    else:
        monkeypatch.chdir(files.root)  # a socket's path has little room
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("special")
    return kind


async def test_what_is_neither_file_nor_folder_is_never_opened(files: Filing, special: str) -> None:
    for action, params in (
        ("read", {}),
        ("write", {"content": "x"}),
        ("edit", {"old": "x", "new": "y"}),
        ("grep", {"pattern": "x"}),
    ):
        result = await files.do(action, path="special", **params)
        assert result.category is ErrorCategory.CONFIGURATION
        assert result.message == f"special is {special}"
    assert (await files.do("delete", path="special")).message == f"this cannot be undone: special is {special}"


async def test_a_folder_is_no_file(files: Filing) -> None:
    files.file("folder/file")

    for action, params in (("read", {}), ("write", {"content": "x"}), ("edit", {"old": "x", "new": "y"})):
        result = await files.do(action, path="folder", **params)
        assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, "folder: Is a directory")


async def test_a_workspace_that_is_not_there_is_named(files: Filing) -> None:
    result = await files.with_context(cwd=files.root / "gone").do("read", path="x")

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message.startswith(f"{files.root}/gone: the workspace cannot be entered")


@pytest.mark.parametrize(
    ("params", "pointer", "words"),
    [
        ({}, "/action", "action is missing"),
        ({"action": "raed"}, "/action", "did you mean 'read'"),
        ({"action": ["read"]}, "/action", "there is no action"),
        ({"action": "read"}, "/path", "path is missing"),
        ({"action": "read", "path": ""}, "/path", "must not be empty"),
        ({"action": "read", "path": "a\0b"}, "/path", "NUL"),
        ({"action": "read", "path": "a", "ofset": 1}, "/ofset", "did you mean 'offset'"),
        ({"action": "write", "path": "a", "content": "?", "encoding": "base64"}, "", "content is no base64"),
        ({"action": "write", "path": "a", "content": "", "expected_sha256": "abc"}, "/expected_sha256", ""),
        ({"action": "grep", "pattern": "("}, "", "is no regular expression"),
        ({"action": "glob", "pattern": "../*"}, "/pattern", "goes downwards"),
    ],
)
def test_wrong_parameters_are_said_in_words(params: dict[str, object], pointer: str, words: str) -> None:
    problems = files_tool().validate(params)

    assert [problem.pointer for problem in problems] == [pointer]
    assert words in problems[0].message


@pytest.mark.parametrize(
    ("params", "destructive"),
    [
        ({"action": "delete", "path": "a"}, True),
        ({"action": "write", "path": "a", "content": ""}, True),
        ({"action": "write", "path": "a", "content": "", "overwrite": False}, False),
        ({"action": "move", "path": "a", "to": "b"}, False),
        ({"action": "move", "path": "a", "to": "b", "overwrite": True}, True),
        ({"action": "edit", "path": "a", "old": "a", "new": "b"}, False),
        ({"action": "read", "path": "a"}, False),
    ],
)
def test_what_deletes_or_overwrites_is_destructive(params: dict[str, object], destructive: bool) -> None:
    assert files_tool().estimate(params).destructive is destructive
