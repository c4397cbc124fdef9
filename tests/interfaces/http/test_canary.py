"""A secret of a step, and every credential, appears in no answer, no frame, no log and no file where it does not belong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from loguru import logger

from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served, serve
from tests.waiting import until

SECRET = "c4nary-7f3a9d1e"
API = "/api/v1"
STEP = {
    "name": "leak",
    "tool": "shell",
    "params": {"command": "echo out $KEY; echo err $KEY >&2; exit 3", "env": {"KEY": "${secret:KEY}"}},
}


@pytest.fixture
async def leaking(tmp_path: Path) -> AsyncIterator[tuple[Served, list[str]]]:
    """A daemon with a secret, and what it logs."""
    home = tmp_path / "home"
    home.mkdir()
    secrets = home / "secrets.env"
    secrets.write_text(f"KEY={SECRET}\n")
    secrets.chmod(0o600)
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {exception}")
    async with serve(home) as served:
        yield served, lines
    logger.remove(sink)


async def frames_of(served: Served, header: dict[str, str], found: list[str]) -> None:
    url = served.url.replace("http", "ws", 1) + f"{API}/live?after=0"
    async with websockets.connect(url, origin=websockets.Origin(served.url), additional_headers=header) as live:
        async for frame in live:
            found.append(str(frame))


async def test_no_secret_leaves_by_any_way(leaking: tuple[Served, list[str]]) -> None:
    served, lines = leaking
    credentials = {
        "owner": served.context.sign_in.tokens.owner_token(),
        "link": served.context.sign_in.new_link(),
        "session": served.context.sign_in.begin_session(served.context.sign_in.new_link()) or "",
        "agent": served.bearer(Scope.AGENT, "ada")["Authorization"].removeprefix("Bearer "),
    }
    frames: list[str] = []
    following = asyncio.create_task(frames_of(served, {"Authorization": f"Bearer {credentials['agent']}"}, frames))
    added = await served.client.post(
        f"{API}/tasks", json={"title": "leak", "plan": {"steps": [STEP]}, "retry": {"max_attempts": 1}}
    )
    task_id = added.json()["task_id"]
    await until(lambda: any('"type":"error"' in frame.replace(" ", "") for frame in frames), what="it failed")
    answers = [added.text]
    paths = (await served.client.get(f"{API}/openapi.json")).json()["paths"]
    for path in (path for path, operations in paths.items() if "get" in operations):
        filled = path.replace("{task_id}", task_id).replace("{state}", "failed").replace("{name}", "shell")
        params: dict[str, Any] = {"id": task_id} if path == "/board/rows" else {}
        answer = await served.client.get(f"{API}{filled}", params=params)
        answers.append(answer.text + json.dumps(dict(answer.headers)))
    for wrong in ({"Authorization": f"Bearer {credentials['owner']}x"}, {"Authorization": credentials["agent"]}):
        answers.append((await served.client.get(f"{API}/stats", headers=wrong)).text)
    answers.append((await served.client.get("/login", params={"code": credentials["link"] + "x"})).text)
    following.cancel()
    assert any("[secret]" in answer for answer in answers), "what the step printed is there, without the secret"
    for what, secret in {"step": SECRET, **credentials}.items():
        assert not [answer for answer in answers if secret in answer], f"{what} in an answer"
        assert not [frame for frame in frames if secret in frame], f"{what} in a frame"
        assert not [line for line in lines if secret in line], f"{what} in the log"
        assert set(await asyncio.to_thread(files_with, served.daemon.home.path, secret)) <= {
            "secrets.env" if what == "step" else "runtime/token" if what == "owner" else ""
        }


def files_with(folder: Path, secret: str) -> list[str]:
    """The files below the folder in which these bytes stand."""
    found = [path for path in folder.rglob("*") if secret.encode() in content_of(path)]
    return [str(path.relative_to(folder)) for path in found]


def content_of(path: Path) -> bytes:
    """Nothing of what is no file, nor of one that the daemon has just taken away."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""
