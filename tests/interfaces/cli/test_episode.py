"""episode: work for several agents, written in advance, started as tasks and watched to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "episodes" / "parser.yaml"
ID = "episode-fix-the-parser"


def written(folder: Path, text: str) -> str:
    path = folder / "episode.yaml"
    path.write_text(text)
    return str(path)


def done(dt: Dt, task_id: str, agent: str) -> None:
    assert dt("claim", task_id, "--agent", agent).code == 0
    assert dt("complete", task_id, "--agent", agent).code == 0


def status(dt: Dt) -> Any:
    return dt("episode", "status", "--json").json


def test_its_assignments_are_tasks_of_their_agents_that_wait_for_one_another(dt: Dt) -> None:
    assert dt("episode", "start", str(EXAMPLE)).out == f"{ID}\n"
    tasks = {task["task_id"]: task for task in dt("list", "--json").json}
    assert {task_id: (task["assigned_to"], task["depends_on"]) for task_id, task in tasks.items()} == {
        "parser-tests": ("Agent-1", []),
        "parser-fix": ("Agent-2", ["parser-tests"]),
        "parser-notes": ("Agent-2", ["parser-fix"]),
        f"{ID}-done": (None, ["parser-tests", "parser-fix", "parser-notes"]),
    }
    assert "- Each report names its test" in tasks["parser-tests"]["description"]
    assert tasks["parser-tests"]["extra"]["estimated_duration"] == "2h"
    assert tasks["parser-fix"]["verify"][0]["params"] == {"command": "true"}
    assert all(task["tags"] == ["episode", ID] for task in tasks.values())


def test_it_is_completed_when_its_definition_of_done_is_and_the_log_tells_how(dt: Dt, home: Path) -> None:
    dt("episode", "start", str(EXAMPLE))
    done(dt, "parser-tests", "Agent-1")
    for task_id in ("parser-fix", "parser-notes"):
        done(dt, task_id, "Agent-2")
    assert (status(dt)["state"], status(dt)["completion_log"]) == ("running", None)
    dt("run", f"{ID}-done")
    ended = status(dt)
    assert (ended["state"], ended["ended_at"] is not None) == ("completed", True)
    log = Path(ended["completion_log"])
    assert log == home / "runtime" / "episodes" / ID / "completion_log.md"
    assert "- [x] Make the tests pass (parser-fix, Agent-2): completed" in log.read_text()
    assert "proved by `true`, exit code 0" in log.read_text()


def test_it_has_failed_when_all_is_over_and_not_all_completed(dt: Dt, tmp_path: Path) -> None:
    dt("episode", "start", written(tmp_path, "title: T\nagent_assignments: {ada: {task_id: a, title: A}}\n"))
    dt("claim", "a", "--agent", "ada")
    dt("fail", "a", "--agent", "ada", "--error", "no way")
    assert status(dt)["state"] == "failed"
    assert "  - no way" in Path(status(dt)["completion_log"]).read_text()


def test_what_everything_waits_for_is_named_when_it_failed(dt: Dt) -> None:
    dt("episode", "start", str(EXAMPLE))
    dt("claim", "parser-tests", "--agent", "Agent-1")
    dt("fail", "parser-tests", "--agent", "Agent-1", "--error", "no way")
    shown = dt("episode", "status", ID)
    assert "others wait for parser-tests, which is failed: dt retry parser-tests" in shown.err
    assert status(dt)["state"] == "running"


def test_stopping_cancels_what_is_open_and_leaves_what_is_done(dt: Dt) -> None:
    dt("episode", "start", str(EXAMPLE))
    done(dt, "parser-tests", "Agent-1")
    stopped = dt("episode", "stop", ID, "--reason", "not now", "--json").json
    assert (stopped["state"], stopped["reason"]) == ("stopped", "not now")
    assert [task["status"] for task in stopped["tasks"]] == ["completed", "cancelled", "cancelled", "cancelled"]
    assert "not now" in Path(stopped["completion_log"]).read_text()
    assert dt("episode", "stop", ID).code == 4


def test_a_stop_is_taken_back_whole_and_the_episode_runs_to_an_end_of_its_own(dt: Dt, home: Path) -> None:
    dt("episode", "start", str(EXAMPLE))
    done(dt, "parser-tests", "Agent-1")
    assert dt("claim", "parser-fix", "--agent", "Agent-2").code == 0
    dt("episode", "stop", ID, "--reason", "not now")
    before = dt("events", "--json").json

    rehearsed = dt("undo", "--dry-run")
    assert (rehearsed.code, f"{ID}  would be running" in rehearsed.out) == (0, True)
    assert status(dt)["state"] == "stopped"
    undone = dt("undo", "--json").json

    assert [task["task_id"] for task in undone["tasks"]] == ["parser-fix", "parser-notes", f"{ID}-done"]
    assert undone["episodes"] == [{"episode_id": ID, "state": "running"}]
    folder = home / "runtime" / "episodes" / ID
    assert [path.name for path in folder.iterdir()] == ["completion_log.taken-back.md"]
    again = status(dt)
    assert [task["status"] for task in again["tasks"]] == ["completed", "pending", "pending", "pending"]
    assert (again["state"], again["ended_at"], again["reason"], again["completion_log"]) == ("running", None, "", None)
    assert dt("events", "--json").json[: len(before)] == before
    assert "events tell the same as the board" in dt("doctor").out

    for task_id in ("parser-fix", "parser-notes"):
        done(dt, task_id, "Agent-2")
    dt("run", f"{ID}-done")
    assert status(dt)["state"] == "completed"
    assert "**completed**" in (folder / "completion_log.md").read_text()


def test_an_end_that_came_of_a_cancel_is_taken_back_with_it(dt: Dt, tmp_path: Path) -> None:
    dt("episode", "start", written(tmp_path, assignments()))
    done(dt, "one", "A")
    dt("cancel", "two")
    assert status(dt)["state"] == "failed"
    dt("undo")
    assert status(dt)["state"] == "running"


def test_what_is_taken_back_after_an_end_is_nothing_to_the_episode(dt: Dt, tmp_path: Path) -> None:
    dt("episode", "start", written(tmp_path, assignments()))
    dt("episode", "stop", "episode-one")
    dt("retry", "one")
    dt("cancel", "one")
    assert dt("undo", "--json").json["episodes"] == []
    assert status(dt)["state"] == "stopped"
    other = dt.add("something else")
    dt("cancel", other)
    assert dt("undo", "--json").json["episodes"] == []


def test_a_start_that_is_taken_back_stops_the_episode(dt: Dt, tmp_path: Path) -> None:
    dt("episode", "start", written(tmp_path, assignments()))
    said = dt("undo")
    assert said.out.splitlines()[-1] == "episode-one  stopped"
    over = status(dt)
    assert (over["state"], over["reason"]) == ("stopped", "its start was taken back")
    assert [task["status"] for task in over["tasks"]] == ["cancelled", "cancelled"]
    assert "its start was taken back" in Path(over["completion_log"]).read_text()


def test_one_that_runs_is_not_started_again(dt: Dt) -> None:
    dt("episode", "start", str(EXAMPLE))
    again = dt("episode", "start", str(EXAMPLE), "--json")
    assert (again.code, again.error["code"]) == (4, "episode_running")
    assert len(dt("list", "--json").json) == 4


def test_a_dry_run_and_a_task_that_is_there_already_add_nothing(dt: Dt, tmp_path: Path) -> None:
    assert len(dt("episode", "start", str(EXAMPLE), "--dry-run", "--json").json) == 4
    assert dt("list", "--json").json == []
    (tmp_path / "ours.json").write_text('[{"id": "parser-fix", "title": "ours"}]')
    dt("import", str(tmp_path / "ours.json"))
    refused = dt("episode", "start", str(EXAMPLE), "--json")
    assert (refused.code, refused.error["code"]) == (4, "duplicate_id")
    assert dt("episode", "list", "--json").json == []
    assert [task["title"] for task in dt("list", "--json").json] == ["ours"]


@pytest.mark.parametrize(
    ("text", "pointer", "said"),
    [
        ("title: T\n", "agent_assignments", "needs assignments"),
        ("agent_assignments: {ada: {task_id: a, title: A}}\n", "title", "needs a title"),
        ("title: T\nagent_assignments: {ada: {titel: A, task_id: a}}\n", "titel", "did you mean 'title'"),
        ("title: T\nagent_assignments: {ada: {title: A}}\n", "task_id", "needs a task_id"),
        ("title: T\nagent_assignments: {ada: 7}\n", "ada", "does not fit"),
        ("title: T\nagent_assignments: {a b: {task_id: a, title: A}}\n", "a b", "cannot be an agent's name"),
        ("title: T\nagent_assignments: {ada: {task_id: a, title: A}, bob: {task_id: a, title: B}}\n", "a", "same task_id"),
        ("title: T\ntitle: U\n", "title", "set before"),
        ("title: [\n", "", "cannot be read"),
        ("- title: T\n", "", "episodes are sections with keys"),
        ("theme: &t T\ntitle: *t\n", "title", "an alias, which episodes cannot be"),
        ("title: T\nagent_assignments: {ada: {task_id: a, title: A, dependencies: [b]}, b: {task_id: b, title: B, "
         "dependencies: [a]}}\n", "", "ring"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_what_and_where_and_adds_nothing(
    dt: Dt, tmp_path: Path, text: str, pointer: str, said: str
) -> None:
    refused = dt("episode", "start", written(tmp_path, text), "--json")
    error = refused.error
    assert refused.code in (4, 7), refused.err
    assert pointer in f"{error['message']} {error['cause']} {error.get('pointer', '')}"
    assert said.lower() in f"{error['message']} {error['cause']}".lower()
    assert dt("list", "--json").json == []


def assignments(**fields: str) -> str:
    rest = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"title: One\nagent_assignments: {{A: {{task_id: one, title: t{rest}}}, B: {{task_id: two, title: t}}}}\n"


@pytest.mark.parametrize(
    ("text", "message", "pointer"),
    [
        ("{ada: {task_id: a, title: A}, bob: [{task_id: b, title: B}, {task_id: c, title: C, dependencies: [b, nowhere]}]}",
         "c of bob: it depends on 'nowhere', which is not on this board", "/agent_assignments/bob/1/dependencies/1"),
        ("{ada: {task_id: a, title: A, dependencies: nowhere}}",
         "a of ada: it depends on 'nowhere', which is not on this board", "/agent_assignments/ada/dependencies/0"),
        ("{ada: {task_id: a, title: A, dependencies: a}}",
         "a of ada: a depends on itself", "/agent_assignments/ada/dependencies"),
        ("{ada: {task_id: a, title: A}, bob: {task_id: b/, title: B}}",
         "b/ of bob: 'b/' cannot be a task id", "/agent_assignments/bob/task_id"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_task_names_its_assignment(
    dt: Dt, tmp_path: Path, text: str, message: str, pointer: str
) -> None:
    refused = dt("episode", "start", written(tmp_path, f"title: T\nagent_assignments: {text}\n"), "--json")
    assert (refused.code, refused.error["message"], refused.error["pointer"]) == (7, message, pointer)
    assert "depends_on" not in refused.error["fix"]
    assert dt("list", "--json").json == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["start", "dry run"])
def test_a_dry_run_refuses_what_starting_would(dt: Dt, tmp_path: Path, options: tuple[str, ...]) -> None:
    lost = dt("episode", "start", written(tmp_path, assignments(dependencies="[nowhere]")), *options)
    assert (lost.code, "'nowhere'" in lost.err) == (7, True)
    assert dt("list", "--json").json == []


def test_a_dry_run_leaves_no_trace(dt: Dt, tmp_path: Path) -> None:
    before = dt("events", "--json").out
    assert dt("episode", "start", written(tmp_path, assignments()), "--dry-run").out == "one  A  t\ntwo  B  t\n"
    assert (dt("events", "--json").out, dt("list", "--json").json, dt("episode", "list", "--json").json) == (
        before,
        [],
        [],
    )


def test_one_that_is_over_says_how_it_can_be_looked_at_and_started_anew(dt: Dt, tmp_path: Path) -> None:
    file = written(tmp_path, assignments())
    dt("episode", "start", file)
    dt("episode", "stop", "episode-one")
    assert "fix: dt episode status episode-one" in dt("episode", "stop", "episode-one").err
    again = dt("episode", "start", file)
    assert (again.code, "a task_id of its own" in again.err) == (4, True)


def test_an_episode_that_nobody_started_is_not_found(dt: Dt) -> None:
    for args in (("status",), ("status", "nothing"), ("stop", "nothing")):
        assert dt("episode", *args).code == 3


def test_a_log_that_could_not_be_written_is_written_with_the_next_look(dt: Dt, home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "title: Small\nagent_assignments: {ada: {task_id: a-1, title: one}}\n")
    dt("episode", "start", path)
    done(dt, "a-1", "ada")
    (home / "runtime/episodes").write_text("no folder")
    assert dt("episode", "list").code != 0
    (home / "runtime/episodes").unlink()
    assert dt("episode", "list").code == 0
    assert "completed" in (home / "runtime/episodes/episode-small/completion_log.md").read_text()
