"""The tool `http` passes the suite for tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.http import HttpOptions, HttpTool
from tests.tools.adapter_suite import AdapterSuite
from tests.tools.local_server import LocalServer, document, echo, redirect, serving, silent, text

Params = Mapping[str, object]


class TestHttp(AdapterSuite):
    server: LocalServer

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        answers = {
            "/": text("hello"),
            "/document": document([1, {"a": None}]),
            "/elsewhere": redirect("/document"),
            "/binary": text(b"\xff\0\xfe" * 50_000, content_type="application/octet-stream"),
            "/nothing": text("", status=204),
            "/echo": echo,
            "/trouble": text("out of order", status=500),
            "/slow": silent,
        }
        with serving(answers) as self.server:
            yield

    def make_tool(self) -> ToolAdapter:
        return HttpTool(HttpOptions(connect_seconds=5), now=lambda: datetime.now(UTC))

    def good_params(self) -> Sequence[Params]:
        url = self.server.url
        return [
            {"url": url("/")},
            {"url": url("/document"), "method": "POST", "json": {"a": [1, None]}, "query": {"q": ["a", 1]}},
            {"url": url("/elsewhere"), "headers": {"X-A": "b"}, "auth": {"username": "ada", "password": "1234"}},
            {"url": url("/binary"), "max_bytes": 200_000},
            {"url": url("/nothing"), "method": "DELETE", "expect_status": 204},
            {"url": url("/document"), "save_to": "folder/document.json"},
            {"url": url("/missing"), "expect_status": ["2xx", 404], "max_redirects": 0, "body": "text"},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"url": ""},
            {"url": "ftp://127.0.0.1/"},
            {"url": "http://ada:1234@127.0.0.1/"},
            {"url": "http://169.254.169.254/latest/meta-data/"},
            {"url": self.server.url(), "method": "GET /"},
            {"url": self.server.url(), "headers": {"Host": "another"}},
            {"url": self.server.url(), "body": "", "json": 1},
            {"url": self.server.url(), "save_to": "/etc/passwd"},
            {"url": self.server.url(), "expect_status": "ok"},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [
            {"url": self.server.url("/missing")},
            {"url": self.server.url("/trouble"), "save_to": "file"},
            {"url": self.server.url("/binary"), "max_bytes": 10},
            {"url": self.server.url("/"), "expect_status": 201},
            {"url": "http://127.0.0.1:1/"},
            {"url": "http://no-such-host.invalid/"},
        ]

    def slow_params(self) -> Params | None:
        return {"url": self.server.url("/slow")}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return bool(self.server.seen)

    def secret_params(self, secret: str) -> Params | None:
        return {"url": self.server.url("/echo"), "headers": {"X-Word": f"a {secret}"}, "query": {"key": secret}}
