"""The OpenAPI document against the real server: schemathesis makes requests of it and looks at the answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dreamos_tasks.config.settings import LimitSettings, ServerSettings, Settings
from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served, serve
from tests.waiting import PATIENCE_SECONDS

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).parents[3] / "schemathesis.toml"
EXAMPLES = 3  # an operation, and always the same ones; `pytest --long` has more, and new ones every time
LONG_EXAMPLES = 60


async def document(served: Served) -> Any:
    answer = await served.client.get("/api/v1/openapi.json")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_document_names_every_verb_with_its_answers_and_how_to_be_let_in(served: Served) -> None:
    found = await document(served)
    assert found["openapi"].startswith("3.1")
    assert found["servers"] == [{"url": "/api/v1"}]
    assert set(found["components"]["securitySchemes"]) == {"token", "session"}
    operations = {
        operation["operationId"]: operation for path in found["paths"].values() for operation in path.values()
    }
    assert len(operations) > 40
    for name, operation in operations.items():
        assert operation["description"], name
        refused = operation["responses"]["401"]["content"]
        assert list(refused) == ["application/problem+json"], name
    for verb in ("add_task", "claim_next", "complete_task", "approve", "undo_steps", "events", "logs"):
        assert verb in operations


async def test_every_reference_in_the_document_leads_somewhere(served: Served) -> None:
    found = await document(served)
    forms = found["components"]["schemas"]
    for place in json.dumps(found).split('"#/components/schemas/')[1:]:
        assert place.partition('"')[0] in forms


async def test_the_form_of_a_task_is_made_of_the_model(served: Served) -> None:
    from dataclasses import fields

    from dreamos_tasks.model.task import Task

    task = (await document(served))["components"]["schemas"]["Task"]
    assert {field.name for field in fields(Task)} <= set(task["properties"])


FOR_AGENTS = frozenset(
    {
        *("add_task", "claim_next", "claim_task", "heartbeat", "report_progress"),
        *("complete_task", "fail_task", "release_task", "ask"),
        *("register_agent", "agent_heartbeat"),  # of itself
    }
)


async def test_every_request_asks_who_it_is_and_what_changes_something_asks_for_more(served: Served) -> None:
    found = await document(served)
    reader, agent = served.bearer(Scope.READ), served.bearer(Scope.AGENT, "ada")
    async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as stranger:
        for path, operations in found["paths"].items():
            place = "/api/v1" + path.replace("{", "").replace("}", "")
            for method, operation in operations.items():
                name = operation["operationId"]
                nobody = await stranger.request(method, place, headers={"Origin": served.url})
                assert nobody.status_code == 401, name
                if method == "get":
                    continue
                refused = await stranger.request(method, place, headers=reader)
                assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), name
                if name in FOR_AGENTS or "mail" in operation["tags"]:
                    continue
                refused = await stranger.request(method, place, headers=agent)
                assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), name
    assert (await served.stats())["status"] == {}


@pytest.mark.torture
async def test_schemathesis_finds_no_fault_with_the_server(tmp_path: Path, long_run: bool) -> None:
    idle = Settings(
        server=ServerSettings(port=0), limits=LimitSettings(disk_free_bytes=2**50)
    )  # it runs no chance command
    async with serve(tmp_path / "home", idle) as served:
        await served.client.post("/api/v1/tasks", json={"title": "something to look at"})
        await _look_for_faults(served, tmp_path, long_run=long_run)
        assert (await served.client.get("/api/v1/status")).status_code == 200


async def _look_for_faults(served: Served, folder: Path, *, long_run: bool) -> None:
    examples = LONG_EXAMPLES if long_run else EXAMPLES
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        "--config-file",
        CONFIG,
        "run",
        f"{served.url}/api/v1/openapi.json",
        "--header",
        f"Authorization: {served.client.headers['authorization']}",
        "--phases",
        "examples,coverage,fuzzing,stateful" if long_run else "examples,fuzzing,stateful",
        "--max-examples",
        str(examples),
        *(() if long_run else ("--generation-deterministic",)),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
