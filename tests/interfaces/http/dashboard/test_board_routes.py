"""What the dashboard asks beyond the API for all, and how its files are served."""

from __future__ import annotations

import httpx2
import pytest

from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.task import Task, TaskDraft
from tests.interfaces.http.serving import Served
from tests.waiting import PATIENCE_SECONDS


async def add(served: Served, title: str, **more: object) -> Task:
    draft = TaskDraft(title=title, **more)  # type: ignore[arg-type]
    return await served.daemon.desk.write(lambda nexus: nexus.add_task(draft))


async def test_the_board_comes_as_rows_with_the_event_to_follow_from(served: Served) -> None:
    first = await add(served, "first", priority="high")
    await add(served, "after it", depends_on=(first.task_id,))
    form = (await served.client.get("/api/v1/board")).json()
    assert [row["title"] for row in form["columns"]["ready"]["rows"]] == ["first"]
    assert [row["depends_on"] for row in form["columns"]["blocked"]["rows"]] == [[first.task_id]]
    missed = (await served.client.get("/api/v1/events", params={"after": form["seq"]})).json()
    assert missed == []


async def test_a_state_is_read_page_by_page_and_some_tasks_by_their_ids(served: Served) -> None:
    ids = [(await add(served, f"t{number}")).task_id for number in range(3)]
    first = (await served.client.get("/api/v1/board/ready", params={"limit": 2})).json()
    second = (await served.client.get("/api/v1/board/ready", params={"limit": 2, "after": first["next"]})).json()
    assert [row["task_id"] for row in (*first["rows"], *second["rows"])] == ids
    assert second["next"] is None
    form = (await served.client.get("/api/v1/board/rows", params={"id": [ids[1], "dt-none"]})).json()
    assert ([row["title"] for row in form["rows"]], form["missing"]) == (["t1"], ["dt-none"])


@pytest.mark.parametrize("path", ["/board/elsewhere", "/tasks/dt-none/ahead", "/board/ready?after=dt-none"])
async def test_what_is_not_there_is_said_to_be_missing(served: Served, path: str) -> None:
    answer = await served.client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


async def test_what_can_come_next_are_the_legal_verbs_and_how_long_steps_take(served: Served) -> None:
    task = await add(served, "build", plan=Plan(steps=(Step(name="a", params={"command": "true"}),)), assigned_to="ada")
    form = (await served.client.get(f"/api/v1/tasks/{task.task_id}/ahead")).json()
    assert form["choices"] == ["pause", "cancel", "edit"]
    assert form["expected"]["a"]["samples"] == 0


async def test_the_series_has_equally_many_values_in_each_column(served: Served) -> None:
    await add(served, "one")
    for window, count in (("hour", 60), ("day", 96)):
        form = (await served.client.get("/api/v1/series", params={"window": window})).json()
        columns = {name: values for name, values in form.items() if isinstance(values, list)}
        assert {len(values) for values in columns.values()} == {count}
        assert (sum(form["added"]), form["open"][-1]) == (1, 1)


async def test_the_pages_are_for_everybody_and_what_they_show_is_not(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as stranger:
        page = await stranger.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["content-security-policy"].startswith("default-src 'self';")
        script = await stranger.get("/page/script/app.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        kept = await stranger.get("/page/script/app.js", headers={"If-None-Match": script.headers["etag"]})
        assert (kept.status_code, kept.content) == (304, b"")
        for path in ("/board", "/board/ready", "/board/rows?id=x", "/tasks/x/ahead", "/series"):
            assert (await stranger.get(f"/api/v1{path}")).status_code == 401


@pytest.mark.parametrize(
    "path", ["/page/../pages.py", "/page/%2e%2e/pages.py", "/vendor/..%2fpages.py", "/page/", "/page/script"]
)
async def test_nothing_but_the_pages_is_served(served: Served, path: str) -> None:
    assert (await served.client.get(path)).status_code in (404, 405)
