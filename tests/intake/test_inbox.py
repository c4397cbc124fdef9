"""The inbox: a dropped file becomes tasks, receipts, results; a wrong one is told what is wrong with it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dreamos_tasks.errors import BoardUnsafe, InvalidInput
from dreamos_tasks.intake.filing import note_of
from dreamos_tasks.intake.problems import InvalidDrafts
from dreamos_tasks.model.tool import ParamProblem
from tests.intake.dropping import Box
from tests.waiting import until


async def test_a_dropped_file_becomes_a_task_and_gets_a_receipt(watched: Box) -> None:
    days = [f"{datetime.now(UTC):%Y-%m-%d}"]
    watched.drop("fix.json", {"title": "Fix it", "run": "make", "colour": "red"})
    receipts = await until(watched.accepted)
    await until(lambda: not watched.taken())

    (task,) = watched.tasks()
    receipt = receipts["fix.json"]
    assert (task.title, task.created_by) == ("Fix it", "inbox")
    assert receipt["task_ids"] == [task.task_id]
    assert receipt["tasks"][0]["duplicate_of"] is None
    assert [warning["pointer"] for warning in receipt["warnings"]] == ["/colour"]
    days.append(f"{datetime.now(UTC):%Y-%m-%d}")  # it may be midnight just now
    assert receipt["accepted_as"] in [f"accepted/{day}/fix.json" for day in days]
    assert watched.waiting() == []
    assert watched.taken() == []


async def test_arrays_objects_of_tasks_and_lines_are_taken(watched: Box) -> None:
    watched.drop("a.json", [{"title": "a1"}, {"title": "a2"}])
    watched.drop("b.json", {"tasks": [{"title": "b1"}]})
    watched.drop("c.jsonl", b'{"title": "c1"}\n{"title": "c2"}\n')
    watched.drop("D.JSON", {"title": "d"})

    await until(lambda: len(watched.accepted()) == 4)
    assert sorted(watched.titles()) == ["a1", "a2", "b1", "c1", "c2", "d"]


async def test_all_tasks_of_a_file_are_accepted_or_none(watched: Box) -> None:
    watched.drop("bad.json", [{"title": "good"}, {"titel": "typo"}, {"title": "x", "depends_on": [5]}])

    note = (await until(watched.rejected))["bad.json"]
    assert watched.tasks() == []
    assert note["pointer"] == "/1/titel"
    assert note["nearest_field"] == "title"
    assert note["expected"] == "title"
    assert note["found"] == '"titel"'
    assert note["fix"] == 'rename "titel" to "title"'
    assert (note["line"], note["code"]) == (1, "invalid_input")
    assert [problem["pointer"] for problem in note["problems"]] == ["/1/titel", "/2/depends_on/0"]


async def test_the_boards_refusal_points_into_the_file(watched: Box) -> None:
    watched.drop("a.json", {"tasks": [{"title": "fine"}, {"title": "x", "depends_on": ["dt-none"]}]})
    watched.drop("b.json", {"title": "x", "parent_id": "dt-none"})
    watched.drop(
        "c.json",
        [{"title": "a", "task_id": "a", "depends_on": ["b"]}, {"title": "b", "task_id": "b", "depends_on": ["a"]}],
    )

    await until(lambda: len(watched.rejected()) == 3)
    notes = watched.rejected()
    assert notes["a.json"]["pointer"] == "/tasks/1/depends_on/0"
    assert notes["b.json"]["pointer"] == "/parent_id"
    assert notes["c.json"]["pointer"] == "/0/depends_on"
    assert watched.tasks() == []


async def test_tasks_of_a_file_may_depend_on_each_other(watched: Box) -> None:
    watched.drop("a.json", [{"title": "b", "depends_on": ["dt-a"]}, {"title": "a", "task_id": "dt-a"}])

    await until(watched.accepted)
    assert sorted(watched.titles()) == ["a", "b"]


async def test_one_bad_file_never_holds_up_the_others(watched: Box) -> None:
    for number in range(5):
        watched.drop(f"bad{number}.json", b"{")
        watched.drop(f"wrong{number}.json", {"title": 5})
        watched.drop(f"good{number}.json", {"title": f"good {number}"})

    await until(lambda: len(watched.accepted()) == 5)
    await until(lambda: len(watched.rejected()) == 5)
    assert len(watched.waiting()) == 5  # those that end midway may still be written


async def test_an_agents_folder_assigns_its_files(watched: Box) -> None:
    (watched.inbox / "ada").mkdir(mode=0o700)
    watched.drop("fix.json", {"title": "for ada"}, agent="ada")
    watched.drop("fix.json", {"title": "for whom it may concern"})
    await until(lambda: len(watched.accepted()) == 2)
    watched.drop("more.json", {"title": "more for ada"}, agent="ada")
    await until(lambda: len(watched.accepted()) == 3)

    assert {task.title: task.assigned_to for task in watched.tasks()} == {
        "for ada": "ada",
        "for whom it may concern": None,
        "more for ada": "ada",
    }
    assert watched.accepted()["more.json"]["agent"] == "ada"


async def test_parameters_are_checked_before_a_task_is_added(box: Box) -> None:
    watcher = box.new_watcher(
        check_call=lambda _tool, _params: [ParamProblem(pointer="/command", message="no", fix="yes")]
    )
    box.drop("a.json", {"title": "x", "run": "make"})

    assert (await watcher.scan_once()).rejected == 1
    assert box.rejected()["a.json"]["pointer"] == "/run"
    await watcher.stop()


async def test_files_are_added_in_the_order_they_were_written(box: Box) -> None:
    for number in (3, 1, 2):
        path = box.drop(f"{number}.json", {"title": str(number)})
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))

    await box.watcher.scan_once()

    assert box.titles() == ["1", "2", "3"]


async def test_what_has_the_name_of_an_unfinished_or_other_file_is_left_alone(box: Box) -> None:
    for name in (".hidden.json", "a.json.tmp", "b.json.part", "c.json~", "~d.json", "notes.txt", "noext"):
        box.drop(name, {"title": name})

    report = await box.watcher.scan_once()

    assert (report.accepted, report.rejected, report.waiting) == (0, 0, 0)
    assert len(box.waiting()) == 7


async def test_a_strange_name_is_told_once(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    box.watcher._claimer.warn = told.append
    box.drop("notes.txt", b"x")
    box.move_in(_folder(box.beside / "x"), "no agent")

    await box.watcher.scan_once()
    await box.watcher.scan_once()

    assert sorted(told) == [
        "notes.txt is left where it is: only *.json and *.jsonl are taken",
        "the folder no agent is passed over: no agent can have that name",
    ]


async def test_a_second_file_of_the_same_name_keeps_the_first(box: Box) -> None:
    for number in range(3):
        box.drop("a.json", {"title": str(number)})
        box.drop("b.json", {"title": number})
        await box.watcher.scan_once()

    assert sorted(box.accepted()) == ["a-2.json", "a-3.json", "a.json"]
    assert sorted(box.rejected()) == ["b-2.json", "b-3.json", "b.json"]
    assert box.titles() == ["0", "1", "2"]


async def test_everything_the_inbox_makes_is_private(box: Box) -> None:
    box.drop("a.json", {"title": "x"})
    box.drop("b.json", {"title": 5})
    await box.watcher.scan_once()
    task = box.finish(box.tasks()[0])
    box.watcher.on_settled(task.task_id)
    await box.watcher.finish()

    made = [box.outbox, *box.outbox.rglob("*"), box.inbox, *box.inbox.rglob("*")]
    notes = [path for path in made if path.suffix == ".json" and path.name not in ("a.json", "b.json")]
    assert len(notes) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in notes} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}


@pytest.mark.parametrize("folder", ["inbox", "inbox/.taken", "inbox/rejected", "outbox"])
async def test_an_inbox_that_others_can_write_is_refused(box: Box, folder: str) -> None:
    await box.watcher.scan_once()
    (box.inbox.parent / folder).chmod(0o770)

    with pytest.raises(BoardUnsafe, match=r"can be written by others \(mode 0770\)"):
        await box.watcher.start()
    with pytest.raises(BoardUnsafe):
        await box.watcher.scan_once()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_an_inbox_of_another_user_is_refused(box: Box) -> None:
    await box.watcher.scan_once()
    os.chown(box.inbox, 12345, -1)

    with pytest.raises(BoardUnsafe, match="belongs to user 12345"):
        await box.watcher.start()


async def test_an_agents_folder_that_others_can_write_is_passed_over(box: Box) -> None:
    told: list[str] = []
    box.watcher._claimer.warn = told.append
    box.drop("a.json", {"title": "x"}, agent="ada")
    (box.inbox / "ada").chmod(0o777)

    await box.watcher.scan_once()

    assert box.tasks() == []
    assert len(told) == 1
    assert "chmod 700" in told[0]


async def test_start_and_stop_may_be_called_twice(box: Box) -> None:
    await box.watcher.start()
    await box.watcher.start()
    await box.watcher.stop()
    await box.watcher.stop()
    box.drop("a.json", {"title": "x"})
    await box.watcher.start()

    await until(box.accepted)


async def test_validate_says_what_the_inbox_would_say(box: Box, tmp_path: Path) -> None:
    content = b'{"titel": "x",\n "tags": "core"}'
    elsewhere = tmp_path / "bad.json"
    elsewhere.write_bytes(content)
    box.drop("bad.json", content)
    await box.watcher.scan_once()

    with pytest.raises(InvalidInput) as caught:
        box.watcher.validate(elsewhere)

    note = box.rejected()["bad.json"]
    assert isinstance(caught.value, InvalidDrafts)
    assert note_of(caught.value).items() <= note.items()
    assert elsewhere.read_bytes() == content


async def test_validate_gives_the_drafts_of_a_good_file(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "good.jsonl"
    path.write_text('{"title": "a"}\n{"title": "b", "colour": "red"}\n')

    reading = box.watcher.validate(path)

    assert [draft.title for draft in reading.drafts] == ["a", "b"]
    assert [notice.pointer for notice in reading.notices] == ["/1/colour"]
    assert box.tasks() == []


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
