"""Faults 9-14 of the inbox: slow writers, repeated files, things that are no files, floods, hostile JSON, wrong encodings."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.model.json_form import task_to_json
from tests.intake.dropping import Box
from tests.waiting import PATIENCE_SECONDS, until

SETTLE = 5.0
LIMIT = 10_485_760


# -- 9: torn JSON


async def test_fault_9_a_slow_writer_is_waited_for_and_its_file_accepted_once(watched: Box) -> None:
    whole = json.dumps([{"title": "one"}, {"title": "two"}]).encode()
    with (watched.inbox / "slow.json").open("wb", buffering=0) as file:
        for byte in whole[:-1]:
            file.write(bytes([byte]))
        await watched.watcher.scan_once()
        watched.seconds += SETTLE - 0.1
        await watched.watcher.scan_once()
        assert watched.waiting() == ["slow.json"]
        assert watched.tasks() == []
        file.write(whole[-1:])

    await until(watched.accepted)
    await watched.watcher.scan_once()
    assert watched.titles() == ["one", "two"]
    assert watched.rejected() == {}


async def test_fault_9_every_beginning_of_a_file_is_waited_for(box: Box) -> None:
    whole = b'{"title": "na\xc3\xafve", "n": [1.5e3, true]}'
    for end in range(len(whole)):
        (box.inbox / f"{end}.json").parent.mkdir(mode=0o700, exist_ok=True)
        (box.inbox / f"{end}.json").write_bytes(whole[:end])

    report = await box.watcher.scan_once()

    assert (report.accepted, report.rejected, report.waiting) == (0, 0, len(whole))


async def test_fault_9_a_file_that_stays_torn_is_rejected_when_it_has_been_quiet(box: Box) -> None:
    torn = box.drop("torn.json", b'{"title": "x"')
    await box.watcher.scan_once()
    box.seconds += SETTLE - 0.1
    torn.write_bytes(b'{"title": "xy"')  # its writer goes on: the time begins again
    await box.watcher.scan_once()
    box.seconds += SETTLE - 0.1
    assert (await box.watcher.scan_once()).waiting == 1

    box.seconds += 0.1
    assert (await box.watcher.scan_once()).rejected == 1
    assert "ends midway" in box.rejected()["torn.json"]["message"]


async def test_fault_9_the_watcher_itself_looks_again_when_a_torn_file_has_been_quiet(box: Box) -> None:
    loop = asyncio.get_running_loop()
    box.watcher = box.new_watcher(settle_seconds=0.05, monotonic=loop.time)
    await box.watcher.start()
    box.drop("torn.json", b"[")

    await until(box.rejected)


async def test_fault_9_lines_that_are_written_slowly_are_taken_when_their_writer_is_done(watched: Box) -> None:
    with (watched.inbox / "slow.jsonl").open("wb", buffering=0) as file:
        file.write(b'{"title": "one"}\n')
        await watched.watcher.scan_once()
        assert watched.tasks() == []
        file.write(b'{"title": "two"}\n')

    await until(watched.accepted)
    assert watched.titles() == ["one", "two"]


async def test_fault_9_lines_whose_writer_nobody_saw_are_taken_when_they_have_been_quiet(box: Box) -> None:
    await box.watcher.scan_once()
    path = box.inbox / "a.jsonl"
    path.write_bytes(b'{"title": "one"}\n')
    assert (await box.watcher.scan_once()).waiting == 1
    with path.open("ab") as file:
        file.write(b'{"title": "two"}\n')
    box.seconds += SETTLE
    assert (await box.watcher.scan_once()).waiting == 1

    box.seconds += SETTLE
    assert (await box.watcher.scan_once()).accepted == 1
    assert box.titles() == ["one", "two"]


async def test_fault_9_a_file_that_its_writer_takes_back_is_forgotten(box: Box) -> None:
    box.drop("torn.json", b"[")
    assert (await box.watcher.scan_once()).waiting == 1
    (box.inbox / "torn.json").unlink()

    assert (await box.watcher.scan_once()).waiting == 0


# -- 10: repeated


async def test_fault_10_the_same_file_twice_is_one_task_and_a_duplicate(box: Box) -> None:
    for _ in range(2):
        box.drop("a.json", [{"title": "one"}, {"title": "two", "dedupe_key": "mine"}])
        await box.watcher.scan_once()

    one, two = box.tasks()
    receipt = box.accepted()["a-2.json"]
    assert [task["duplicate_of"] for task in receipt["tasks"]] == [one.task_id, two.task_id]
    assert receipt["task_ids"] == [one.task_id, two.task_id]
    assert receipt["warnings"][0]["message"].startswith(f"duplicate of {one.task_id}: no task was added")


async def test_fault_10_the_same_bytes_under_another_name_are_another_drop(box: Box) -> None:
    box.drop("a.json", {"title": "one"})
    box.drop("b.json", {"title": "one"})
    box.drop("a.json", {"title": "one"}, agent="ada")
    await box.watcher.scan_once()
    box.drop("a.json", {"title": "another"})
    await box.watcher.scan_once()

    assert sorted(box.titles()) == ["another", "one", "one", "one"]


async def test_fault_10_the_same_id_twice_is_one_task_and_says_in_what_it_differs(box: Box) -> None:
    box.drop("a.json", {"title": "one", "task_id": "dt-one"})
    await box.watcher.scan_once()
    box.drop("b.json", [{"title": "changed", "task_id": "dt-one"}, {"title": "new"}])
    await box.watcher.scan_once()

    assert box.titles() == ["one", "new"]
    told = box.accepted()["b.json"]["tasks"][0]
    assert (told["duplicate_of"], told["differs_in"]) == ("dt-one", ["title"])


async def test_fault_10_the_same_key_twice_is_one_task(box: Box) -> None:
    box.drop("a.json", {"title": "one", "dedupe_key": "k"})
    await box.watcher.scan_once()
    box.drop("b.json", {"title": "one", "dedupe_key": "k"})
    await box.watcher.scan_once()

    (task,) = box.tasks()
    assert box.accepted()["b.json"]["tasks"][0]["duplicate_of"] == task.task_id


async def test_fault_10_the_same_id_or_key_twice_in_one_file_is_one_task(box: Box) -> None:
    box.drop(
        "a.json",
        [
            {"title": "one", "task_id": "dt-a", "dedupe_key": "k"},
            {"title": "two", "task_id": "dt-b", "dedupe_key": "k"},
            {"title": "three", "task_id": "dt-b"},
            {"title": "four", "task_id": "dt-a"},
        ],
    )
    await box.watcher.scan_once()

    assert box.titles() == ["one"]
    assert [task["duplicate_of"] for task in box.accepted()["a.json"]["tasks"]] == [None, "dt-a", "dt-a", "dt-a"]


async def test_fault_10_a_task_that_was_shown_can_be_dropped_and_is_a_duplicate(box: Box) -> None:
    box.drop("a.json", {"title": "one", "run": "make", "not_before": "2030-01-01T00:00:00Z"})
    await box.watcher.scan_once()
    (task,) = box.tasks()

    box.drop("again.json", task_to_json(task))
    await box.watcher.scan_once()

    told = box.accepted()["again.json"]["tasks"][0]
    assert (told["duplicate_of"], told["differs_in"]) == (task.task_id, [])


# -- 11: what is no file of ours


def _symlink(path: Path) -> Path:
    target = path.with_name("secret")
    target.write_text('{"title": "secret"}')
    path.symlink_to(target)
    return path


def _dangling(path: Path) -> Path:
    path.symlink_to("/nowhere/at/all")
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> Path:
    here = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)
    return path


def _device(path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(path, 0o20600, os.makedev(1, 5))  # /dev/zero: reading it would never end
    return path


def _foreign(path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    path.write_text('{"title": "x"}')
    os.chown(path, 12345, -1)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_symlink, "a symbolic link"),
        (_dangling, "a symbolic link"),
        (_fifo, "a FIFO"),
        (_socket, "a socket"),
        (_device, "a device"),
        (_foreign, "belongs to user 12345"),
    ],
)
async def test_fault_11_what_is_no_file_of_ours_is_rejected_unread(box: Box, make: Any, words: str) -> None:
    box.move_in(make(box.beside / "odd"), "odd.json")
    box.drop("good.json", {"title": "good"})

    report = await asyncio.wait_for(box.watcher.scan_once(), PATIENCE_SECONDS)

    assert (report.accepted, report.rejected) == (1, 1)
    assert words in box.rejected()["odd.json"]["message"]
    assert box.titles() == ["good"]
    assert box.waiting() == []


async def test_fault_11_a_hard_link_is_rejected_unless_its_other_name_goes(box: Box) -> None:
    await box.watcher.scan_once()
    for name in ("linked", "brief"):
        (box.beside / name).write_text(json.dumps({"title": name}))
        os.link(box.beside / name, box.inbox / f"{name}.json")
    assert (await box.watcher.scan_once()).waiting == 2

    (box.beside / "brief").unlink()
    assert (await box.watcher.scan_once()).accepted == 1
    box.seconds += SETTLE
    assert (await box.watcher.scan_once()).rejected == 1

    assert box.titles() == ["brief"]
    assert "2 names" in box.rejected()["linked.json"]["message"]
    assert (box.beside / "linked").read_text() == '{"title": "linked"}'


async def test_fault_11_folders_are_left_where_they_are(box: Box) -> None:
    (box.inbox / "folder.json" / "deep").mkdir(mode=0o700, parents=True)
    (box.inbox / "ada" / "more").mkdir(mode=0o700, parents=True)
    (box.inbox / "ada").chmod(0o700)
    box.inbox.chmod(0o700)
    (box.inbox / "ada" / "more" / "x.json").write_text('{"title": "too deep"}')
    box.drop("good.json", {"title": "good"})

    await box.watcher.scan_once()

    assert box.titles() == ["good"]


async def test_fault_11_a_folder_that_is_a_link_is_not_followed(box: Box) -> None:
    await box.watcher.scan_once()
    elsewhere = box.beside / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "x.json").write_text('{"title": "elsewhere"}')
    (box.inbox / "ada").symlink_to(elsewhere)

    await box.watcher.scan_once()

    assert box.tasks() == []
    assert (elsewhere / "x.json").exists()


@pytest.mark.parametrize(
    ("name", "filed_as"),
    [
        ("new\nline.json", "new\\u000aline.json"),
        ("\x1b[31mred\u202e.json", "\\u001b[31mred\\u202e.json"),
        ("..json", None),
        ("-rf.json", "-rf.json"),
        ("a,b,c.json", "a,b,c.json"),
        ("{}.json", "{}.json"),
        ("%s $(rm) `x`.json", "%s $(rm) `x`.json"),
        ("größe ✓.json", "größe ✓.json"),
        (os.fsdecode(b"\xff\xfe.json"), "\\xff\\xfe.json"),
    ],
)
async def test_fault_11_strange_names_are_kept_harmless(box: Box, name: str, filed_as: str | None) -> None:
    box.drop(name, {"title": "x"})

    await box.watcher.scan_once()

    assert list(box.accepted()) == ([filed_as] if filed_as else [])


@pytest.mark.parametrize("character", ["n", "ß", "\n"])
async def test_fault_11_the_longest_names_are_shortened_and_told_apart(box: Box, character: str) -> None:
    stem = character * (240 // len(character.encode()))
    for number in range(2):
        box.drop(f"{stem}{number}.json", {"title": str(number)}, agent="a" * 100)
        box.drop(f"{stem}{number}.jsonl", {"title": 5}, agent="a" * 100)
    await box.watcher.scan_once(finished=set((box.inbox / ("a" * 100)).iterdir()))
    for task in box.tasks():
        box.watcher.on_settled(box.nexus.cancel_task(task.task_id, by="ada").task_id)
    await box.watcher.finish()

    assert len(box.accepted()) == len(box.rejected()) == len(box.results()) == 2
    assert all(len(name.encode()) <= 128 for name in (*box.accepted(), *box.rejected()))


async def test_fault_11_a_name_of_two_kilobytes_cannot_even_be_dropped(box: Box) -> None:
    with pytest.raises(OSError, match="too long"):
        box.drop("n" * 2048 + ".json", {"title": "x"})


# -- 12: size and number


async def test_fault_12_a_file_over_the_limit_is_rejected_before_it_is_read(box: Box) -> None:
    path = box.drop("huge.json", b"")
    os.truncate(path, 100 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    await box.watcher.scan_once()

    assert "104,857,600 bytes; 10,485,760 are the most" in box.rejected()["huge.json"]["message"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB: it was not read


async def test_fault_12_a_file_of_too_many_tasks_is_rejected(box: Box) -> None:
    watcher = box.new_watcher(max_tasks_per_file=3)
    box.drop("many.json", [{"title": str(number)} for number in range(4)])
    box.drop("few.json", [{"title": str(number)} for number in range(3)])

    report = await watcher.scan_once()
    await watcher.stop()

    assert (report.accepted, report.rejected) == (1, 1)


async def test_fault_12_a_flood_is_taken_in_batches_and_fairly_while_the_loop_lives(box: Box) -> None:
    for number in range(600):
        box.drop(f"{number:04}.json", {"title": "flood"}, agent="noisy")
    for number in range(3):
        box.drop(f"{number}.json", {"title": "quiet"}, agent="shy")
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)  # without a pause it would use the processor that the inbox needs
            longest = max(longest, loop.time() - before)

    beating = asyncio.create_task(beat())
    begun = time.monotonic()
    report = await box.watcher.scan_once()
    took = time.monotonic() - begun
    beating.cancel()

    assert report.accepted == 603
    assert [number for number, title in enumerate(box.titles()) if title == "quiet"][-1] < 64  # in the first batch
    assert longest < max(2.0, took / 3)  # a busy machine may be late; a loop that is held up is so all the time


# -- 13 and 14: hostile JSON and encodings


HOSTILE = {
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested_in_a_task": b'{"title": "x", "context": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "keys": b'{"title": "x", "context": {' + b",".join(b'"%x":0' % n for n in range(900_000)) + b"}}",
    "infinity": b'{"title": "x", "timeout_seconds": 1e999}',
    "not_a_number": b'{"title": "x", "context": {"n": NaN}}',
    "key_twice": b'{"title": "x", "title": "y"}',
    "integer": b'{"title": "x", "context": {"n": ' + b"9" * (LIMIT - 40) + b"}}",
    "utf_8": b'{"title": "\xff"}',
    "utf_16": '{"title": "x"}'.encode("utf-16"),
    "surrogate": rb'{"title": "\ud800"}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_fault_13_and_14_hostile_json_is_rejected_with_the_reason_and_the_loop_lives(box: Box, name: str) -> None:
    box.drop(f"{name}.json", HOSTILE[name])
    box.drop("good.json", {"title": "good"})

    report = await asyncio.wait_for(box.watcher.scan_once(), PATIENCE_SECONDS)

    assert (report.accepted, report.rejected) == (1, 1)
    assert box.rejected()[f"{name}.json"]["message"]
    assert box.titles() == ["good"]


async def test_fault_14_a_byte_order_mark_is_passed_over(box: Box) -> None:
    box.drop("bom.json", b'\xef\xbb\xbf{"title": "x"}')
    await box.watcher.scan_once()

    assert box.titles() == ["x"]


async def test_fault_14_escapes_are_kept_in_the_task_and_shown_harmless_in_notes(box: Box) -> None:
    title = "\x1b[31mred\u202eevil"
    box.drop("a.json", {"title": title})
    box.drop("b.json", {"title": title, "priority": title, "tags": title, title: 1})
    await box.watcher.scan_once()

    assert box.titles() == [title]
    for path in (box.inbox / "accepted").rglob("*.receipt.json"):
        assert "\x1b" not in path.read_text()
    note = (box.inbox / "rejected" / "b.json.error.json").read_text()
    assert "\x1b" not in note
    assert "\u202e" not in note


async def test_whatever_bytes_are_dropped_the_inbox_goes_on(watched: Box) -> None:
    names = [f"{number}.json" for number in range(40)]
    for number, name in enumerate(names):
        watched.drop(name, bytes((number * 7 + index * 13) % 256 for index in range(number)) + b"]")
    watched.drop("good.json", {"title": "good"})

    await until(watched.accepted)
    await until(lambda: len(watched.rejected()) + len(watched.waiting()) == len(names))
    assert watched.watcher.trouble == ""
    assert threading.active_count() < 60
