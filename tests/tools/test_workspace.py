"""A workspace: no path leads out of it, whatever is put in the way, and the board's own files in it are closed."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from tests.tools.filing import Filing

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # linux/fs.h: two names change places in one moment
ACTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("read", {}),
    ("write", {"content": "gotcha"}),
    ("edit", {"old": "secret", "new": "gotcha"}),
    ("grep", {"pattern": "secret"}),
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the workspace, with a file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("secret")
    return folder


@pytest.fixture
def files(tmp_path: Path, outside: Path) -> Filing:
    """A workspace with links that lead out of it."""
    files = Filing.in_folder(tmp_path)
    (files.root / "down").mkdir()
    (files.root / "link").symlink_to(outside)
    (files.root / "relative").symlink_to("../outside")
    (files.root / "file").symlink_to(outside / "file")
    (files.root / "chain").symlink_to("down/chain")
    (files.root / "down/chain").symlink_to("../link")
    (files.root / "dangling").symlink_to(outside / "new")
    return files


@pytest.mark.parametrize(("action", "params"), ACTIONS)
@pytest.mark.parametrize(
    "path",
    [
        "../outside/file",
        "down/../../outside/file",
        "link/file",
        "relative/file",
        "chain/file",
        "file",
        "dangling",
        "link/new/file",
        "/etc/passwd",
        "//etc/passwd",
        "..",
    ],
)
async def test_no_path_leads_out(files: Filing, outside: Path, action: str, params: dict[str, str], path: str) -> None:
    result = await files.do(action, path=path, **params)

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message.endswith("leads out of the workspace")
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "secret"


@pytest.mark.parametrize("path", ["link/file", "../outside/file", "/etc/hostname"])
async def test_nothing_outside_is_moved_or_deleted(files: Filing, outside: Path, path: str) -> None:
    files.file("mine", "text")

    for result in (
        await files.do("delete", path=path, recursive=True),
        await files.do("move", path=path, to="stolen"),
        await files.do("move", path="mine", to=path, overwrite=True),
    ):
        assert result.category is ErrorCategory.CONFIGURATION
    assert (outside / "file").read_text() == "secret"


async def test_searching_does_not_follow_links_out(files: Filing) -> None:
    assert (await files.do("grep", pattern="secret")).value["matches"] == []
    assert (await files.do("glob", pattern="**/*")).value["paths"] == []
    assert (await files.do("glob", pattern="*", path="link")).category is ErrorCategory.CONFIGURATION


@pytest.mark.parametrize("path", ["current/file", "absolute/file", "v2/../current/./file", "alias", "{root}/v2/file"])
async def test_links_within_the_workspace_work(files: Filing, path: str) -> None:
    target = files.file("v2/file", "text")
    (files.root / "current").symlink_to("v2")
    (files.root / "absolute").symlink_to(files.root / "v2")
    (files.root / "alias").symlink_to("current/file")

    result = await files.do("edit", path=path.format(root=files.root), old="text", new="other")

    assert (result.category, result.value["path"]) == (None, "v2/file")
    assert target.read_text() == "other"
    assert (files.root / "alias").is_symlink()


async def test_a_workspace_may_be_reached_by_a_link(files: Filing, tmp_path: Path) -> None:
    files.file("v2/file", "text")
    (tmp_path / "project").symlink_to(files.root)
    linked = files.with_context(cwd=tmp_path / "project")

    for path in ("v2/file", f"{tmp_path}/project/v2/file", f"{files.root}/v2/file"):
        assert (await linked.do("read", path=path)).value["content"] == "text"


async def test_links_in_a_ring_end(files: Filing) -> None:
    (files.root / "a").symlink_to("b")
    (files.root / "b").symlink_to("a")

    result = await files.do("read", path="a")

    assert result.category is ErrorCategory.CONFIGURATION
    assert "symbolic links" in result.message


async def test_a_folder_swapped_for_a_link_meanwhile_leads_nowhere(files: Filing, outside: Path) -> None:
    folder, link = files.root / "folder", files.root / "swap"
    folder.mkdir()
    link.symlink_to(outside)
    is_over = threading.Event()
    exchange = ctypes.CDLL(None).renameat2

    def swap() -> None:
        while not is_over.is_set():
            exchange(AT_FDCWD, bytes(folder), AT_FDCWD, bytes(link), RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        results = [await files.do("write", path="folder/new", content=str(number)) for number in range(200)]
    finally:
        is_over.set()
        swapper.join()

    assert os.listdir(outside) == ["file"]
    assert any(result.category is None for result in results)


async def test_the_boards_own_folder_is_closed(tmp_path: Path) -> None:
    runtime = tmp_path / "workspace/home/runtime"
    runtime.mkdir(parents=True)
    (runtime / "nexus.db").write_text("board")
    files = Filing.in_folder(tmp_path, closed=(runtime,))
    (files.root / "alias").symlink_to("home/runtime")
    before = files.all

    for action, params in ACTIONS:
        for path in ("home/runtime/nexus.db", "alias/nexus.db", "home/runtime"):
            result = await files.do(action, path=path, **params)
            assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, f"{path} is the board's own")
    for path in ("home", "home/runtime", "."):
        assert (await files.do("delete", path=path, recursive=True)).category is ErrorCategory.CONFIGURATION
        assert (await files.do("move", path=path, to="away")).category is ErrorCategory.CONFIGURATION
    assert files.all == before


async def test_the_boards_own_files_are_closed_whether_they_are_there_or_not(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    closed = (root / "config.yaml", root / "secrets.env", root / "missing.yaml")
    files = Filing.in_folder(tmp_path, closed=closed)
    for file in closed[:2]:
        files.file(file.name, "secret")
    files.file("notes", "secret")
    (root / "alias").symlink_to("config.yaml")
    (root / "twin").hardlink_to(root / "secrets.env")
    before = files.all

    for path in ("config.yaml", "secrets.env", "missing.yaml", "alias", "twin", "missing.yaml/below"):
        for action, params in (*ACTIONS, ("delete", {})):
            if (path, action) != ("alias", "delete"):  # that deletes the link
                result = await files.do(action, path=path, **params)
                assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, f"{path} is the board's own")
    assert (await files.do("move", path="notes", to="config.yaml", overwrite=True)).message.endswith("the board's own")
    assert [match["path"] for match in (await files.do("grep", pattern="secret")).value["matches"]] == ["notes"]
    assert files.all == before


async def test_searching_passes_over_the_boards_own_folder(tmp_path: Path) -> None:
    runtime = tmp_path / "workspace/runtime"
    runtime.mkdir(parents=True)
    (runtime / "nexus.db").write_text("needle")
    files = Filing.in_folder(tmp_path, closed=(runtime,))
    files.file("notes", "needle")

    assert (await files.do("glob", pattern="**")).value["paths"] == ["notes"]
    assert [match["path"] for match in (await files.do("grep", pattern="needle")).value["matches"]] == ["notes"]
