"""How much of an answer is read and kept, however much a server sends and however it is packed."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.http import HttpOptions, HttpTool
from tests.tools.local_server import LocalServer, endless, raw, serving, text

MEBIBYTE = 1_048_576


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving({}) as server:
        yield server


async def call(folder: Path, params: Mapping[str, object], **context: object) -> ToolResult:
    tool = HttpTool(HttpOptions(value_bytes=50_000), now=lambda: datetime.now(UTC))
    return await tool.execute(params, context_in(folder, **context))


async def test_a_body_without_end_is_read_up_to_the_limit(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = endless

    result = await call(tmp_path, {"url": server.url(), "max_bytes": 10_000})

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message == f"GET {server.url()}: the body is longer, and max_bytes is 10000"
    assert result.output_bytes == 10_000
    assert "max_bytes" in result.suggestions[0]


async def test_a_body_that_is_announced_too_long_is_not_read(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("x" * 100)

    result = await call(tmp_path, {"url": server.url(), "max_bytes": 99})

    assert result.message == f"GET {server.url()}: the body is 100 bytes, and max_bytes is 99"
    assert result.output_bytes == 0
    assert (await call(tmp_path, {"url": server.url(), "max_bytes": 100})).category is None


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
async def test_what_is_packed_is_counted_unpacked(server: LocalServer, tmp_path: Path, encoding: str) -> None:
    packed = bytes(64 * MEBIBYTE)
    packed = zlib.compress(packed) if encoding == "deflate" else gzip.compress(packed, 1)
    packed = gzip.compress(packed) if encoding == "gzip, gzip" else packed
    server.answers["/"] = text(packed, content_encoding=encoding)

    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        result = await call(tmp_path, {"url": server.url(), "max_bytes": 3 * MEBIBYTE})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not was_tracing:
            tracemalloc.stop()

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.output_bytes == 3 * MEBIBYTE
    assert peak - before < 24 * MEBIBYTE


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_what_is_packed_is_unpacked(server: LocalServer, tmp_path: Path, pack: object) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    server.answers["/"] = text(pack(b"hello " * 1000), content_encoding=encoding)  # type: ignore[operator]

    result = await call(tmp_path, {"url": server.url()})

    assert result.value["text"] == "hello " * 1000


async def test_a_server_that_sends_drop_by_drop_is_left_at_the_timeout(server: LocalServer, tmp_path: Path) -> None:
    gone = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        while not gone.wait(0.01):
            handler.wfile.write(b".")

    server.answers["/"] = drip
    try:
        result = await call(tmp_path, {"url": server.url()}, timeout_seconds=1.0)
    finally:
        gone.set()

    assert result.message == f"GET {server.url()}: timed out after 1 s"


async def test_json_that_is_too_long_for_a_value_is_in_the_output_alone(server: LocalServer, tmp_path: Path) -> None:
    content = json.dumps(["word"] * 20_000)
    server.answers["/"] = text(content, content_type="application/json")

    result = await call(tmp_path, {"url": server.url()}, output_limit_bytes=MEBIBYTE)

    assert result.category is None
    assert result.value["truncated"] is True
    assert "json" not in result.value
    assert result.output_path is not None
    assert result.output_path.read_text() == content


async def test_a_text_that_is_too_long_for_a_value_is_cut_there(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("ö" * 100_000)

    result = await call(tmp_path, {"url": server.url()}, output_limit_bytes=MEBIBYTE)

    assert result.value["truncated"] is True
    assert set(result.value["text"]) == {"ö"}
    assert 20_000 < len(json.dumps(result.value)) <= 50_000


async def test_many_long_headers_are_kept_in_part(server: LocalServer, tmp_path: Path) -> None:
    lines = b"".join(b"x-%d: " % number + b"y" * 5000 + b"\r\n" for number in range(15))
    server.answers["/"] = raw(b"HTTP/1.1 200 OK\r\n" + lines + b"content-length: 0\r\n\r\n")

    result = await call(tmp_path, {"url": server.url()})

    assert result.category is None
    assert 0 < len(json.dumps(result.value)) < 20_000


@pytest.mark.parametrize(
    "content",
    ["NaN", "1e999", '"\\u0000"', '"\\ud800"', "[" * 5000 + "]" * 5000, "9" * 10_000, "{", "", '{"a": Infinity}'],
)
async def test_json_that_cannot_be_kept_is_given_as_text(server: LocalServer, tmp_path: Path, content: str) -> None:
    server.answers["/"] = text(content, content_type="application/problem+json")

    result = await call(tmp_path, {"url": server.url()}, output_limit_bytes=MEBIBYTE)

    assert result.category is None
    assert result.value["text"].startswith(content[:1000])
    json.dumps(result.value, allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("content", "content_type", "found"),
    [
        ("größe".encode("latin-1"), "text/plain; charset=ISO-8859-1", "größe"),
        ("größe".encode("utf-16"), "text/plain; charset=utf-16", "größe"),
        ("größe".encode(), "text/plain; charset=nonsense", "größe"),
        (b"abc", "text/plain; charset=punycode", "abc"),
        (b"abc", "text/plain; charset=rot13", "abc"),
        (b"\x89PNG\xff\xfe", "image/png", None),
        (b"\x89PNG\xff\xfe", "text/plain", None),
        (b"a\0b", "application/octet-stream", None),
    ],
)
async def test_what_is_text_is_told_by_its_bytes(
    server: LocalServer, tmp_path: Path, content: bytes, content_type: str, found: str | None
) -> None:
    server.answers["/"] = text(content, content_type=content_type)

    result = await call(tmp_path, {"url": server.url()})

    assert result.category is None
    assert result.value.get("text") == found
    assert result.output_path is not None
    assert result.output_path.read_bytes() == content


async def test_a_body_is_saved_in_the_workspace(server: LocalServer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    server.answers["/"] = text(content, content_type="application/octet-stream")

    result = await call(tmp_path, {"url": server.url(), "save_to": "new/folder/file.bin"})

    assert result.category is None
    assert result.value["path"] == "new/folder/file.bin"
    assert result.value["bytes"] == len(content)
    assert result.output_path is None
    saved = tmp_path / "workspace" / "new" / "folder"
    assert [path.name for path in saved.iterdir()] == ["file.bin"]
    assert (saved / "file.bin").read_bytes() == content


async def test_what_is_not_whole_or_not_expected_is_not_saved(server: LocalServer, tmp_path: Path) -> None:
    server.answers |= {
        "/long": endless,
        "/cut": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
        "/wrong": text("no", status=500),
    }
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "file").write_text("as before")

    results = [
        await call(tmp_path, {"url": server.url(path), "save_to": "file", "max_bytes": 10_000})
        for path in server.answers
    ]

    assert all(result.category is not None for result in results)
    assert results[2].output_head == "no"
    assert [(path.name, path.read_text()) for path in workspace.iterdir()] == [("file", "as before")]


async def test_nothing_is_saved_outside_the_workspace(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("new")
    (tmp_path / "workspace").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("as before")
    (tmp_path / "workspace" / "folder").symlink_to(outside)
    (tmp_path / "workspace" / "link").symlink_to(outside / "file")

    through_a_folder = await call(tmp_path, {"url": server.url(), "save_to": "folder/file"})
    in_place_of_a_link = await call(tmp_path, {"url": server.url(), "save_to": "link"})

    assert through_a_folder.category is not None
    assert in_place_of_a_link.category is None
    assert (outside / "file").read_text() == "as before"
    assert (tmp_path / "workspace" / "link").read_text() == "new"


async def test_nothing_is_saved_to_the_boards_own_folder_and_files(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("new")
    workspace = tmp_path / "workspace"
    (workspace / "runtime" / "inbox").mkdir(parents=True)
    (workspace / "alias").symlink_to("runtime")
    closed = (workspace / "runtime", workspace / "config.yaml")
    tool = HttpTool(now=lambda: datetime.now(UTC), closed=closed)

    for path in ("runtime/inbox/task.json", "alias/task.json", "config.yaml"):
        result = await tool.execute({"url": server.url(), "save_to": path}, context_in(tmp_path))
        assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, f"{path} is the board's own")
    assert sorted(path.name for path in workspace.rglob("*")) == ["alias", "inbox", "runtime"]


async def test_what_is_saved_goes_through_links_within_the_workspace(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("new")
    reports = tmp_path / "workspace" / "reports"
    reports.mkdir(parents=True)
    (tmp_path / "workspace" / "latest").symlink_to("reports")

    assert (await call(tmp_path, {"url": server.url(), "save_to": "latest/today"})).category is None
    assert (reports / "today").read_text() == "new"
