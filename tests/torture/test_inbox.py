"""Faults 9-14: whatever is dropped into the inbox of a running daemon is taken in once, or rejected with its reason."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.torture.rig import Daemon, Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

MIB = 1024 * 1024
CONTROL = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066) if code != 0x0A]


def drop(rig: Rig, name: str, content: bytes | object) -> None:
    """Rename a complete file into the inbox."""
    beside = rig.home.path / "beside.part"
    beside.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    beside.rename(rig.inbox / name)


def fate(rig: Rig, name: str) -> str | None:
    """`accepted` or `rejected`, once that is decided."""
    if any((rig.inbox / "accepted").rglob(f"{name}.receipt.json")):
        return "accepted"
    return "rejected" if any((rig.inbox / "rejected").rglob(f"{name}.error.json")) else None


def fates(rig: Rig, names: list[str]) -> dict[str, str | None]:
    """What became of each, once all are decided."""
    until(lambda: all(fate(rig, name) for name in names), what=lambda: {n: fate(rig, n) for n in names})
    return {name: fate(rig, name) for name in names}


def reason(rig: Rig, name: str) -> Any:
    """Why it was rejected."""
    (path,) = (rig.inbox / "rejected").rglob(f"{name}.error.json")
    return json.loads(path.read_text())


def titles(rig: Rig) -> list[str]:
    return sorted(task.title for task in rig.nexus.get_all_tasks())


def assert_lives(rig: Rig, daemon: Daemon, name: str = "alive.json") -> None:
    """The loop goes on: a good file is taken in."""
    drop(rig, name, {"title": name})
    assert fates(rig, [name]) == {name: "accepted"}
    assert daemon.process.poll() is None


def test_a_file_that_is_still_written_is_taken_in_when_it_is_whole_and_then_once(make_rig: Callable[..., Rig]) -> None:
    """Fault 9: no rename, one piece after another."""
    rig = make_rig(inbox={"settle_seconds": 60})
    daemon = rig.start_daemon()
    text = json.dumps([{"title": f"slow {number}"} for number in range(5)])

    with (rig.inbox / "slow.json").open("w") as file:
        for number, cut in enumerate(range(0, len(text), len(text) // 3)):
            file.write(text[cut : cut + len(text) // 3])
            file.flush()
            if cut + len(text) // 3 < len(text):
                assert_lives(rig, daemon, f"between-{number}.json")
                assert fate(rig, "slow.json") is None
    assert fates(rig, ["slow.json"]) == {"slow.json": "accepted"}
    assert_lives(rig, daemon)

    assert [title for title in titles(rig) if title.startswith("slow")] == [f"slow {number}" for number in range(5)]
    daemon.stop()
    rig.assert_sound(all_final=False)


def test_a_file_that_stays_torn_is_rejected_and_nothing_of_it_taken_in(rig: Rig) -> None:
    """Fault 9."""
    daemon = rig.start_daemon()
    torn = {
        "torn.json": b'[{"title": "one"}, {"title": "tw',
        "torn.jsonl": b'{"title": "one"}\n{"title": "tw',
        "empty.json": b"",
    }
    for name, content in torn.items():
        drop(rig, name, content)

    assert set(fates(rig, list(torn)).values()) == {"rejected"}
    assert_lives(rig, daemon)
    assert titles(rig) == ["alive.json"]


def test_what_is_dropped_twice_is_one_task(rig: Rig) -> None:
    """Fault 10."""
    daemon = rig.start_daemon()
    same_id, same_key = {"title": "by id", "task_id": "one-id"}, {"title": "by key", "dedupe_key": "one key"}

    for number in range(3):
        drop(rig, f"id-{number}.json", same_id)
        drop(rig, f"key-{number}.json", same_key)
    names = [f"{kind}-{number}.json" for kind in ("id", "key") for number in range(3)]
    found = fates(rig, names)

    assert titles(rig) == ["by id", "by key"]
    (by_key,) = {task.task_id for task in rig.nexus.get_all_tasks() if task.title == "by key"}
    for name in names[3:]:
        assert found[name] == "accepted"
        (receipt,) = (rig.inbox / "accepted").rglob(f"{name}.receipt.json")
        assert by_key in receipt.read_text()
    assert [found[name] for name in names[:3]].count("accepted") >= 1
    for name in names[:3]:
        if found[name] == "rejected":
            assert "one-id" in json.dumps(reason(rig, name))
    daemon.stop()


def test_what_is_no_plain_file_of_ours_is_never_followed_and_never_blocks(rig: Rig, tmp_path: Path) -> None:
    """Fault 11."""
    outside = tmp_path / "outside.json"
    outside.write_text('{"title": "from outside"}')
    (rig.inbox / "link.json").symlink_to(outside)
    (rig.inbox / "dangling.json").symlink_to(tmp_path / "nowhere")
    (rig.inbox / "loop.json").symlink_to(rig.inbox / "loop.json")
    (rig.inbox / "up.json").symlink_to("../nexus.db")
    os.link(outside, rig.inbox / "hard.json")
    os.mkfifo(rig.inbox / "pipe.json")
    (rig.inbox / "folder.json").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(rig.inbox)  # the whole path may be longer than a socket's name can be
    try:
        listener.bind("socket.json")
    finally:
        os.chdir(here)
    if os.geteuid() == 0:
        os.mknod(rig.inbox / "device.json", 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero has no end
        (rig.inbox / "foreign.json").write_text('{"title": "of another user"}')
        os.chown(rig.inbox / "foreign.json", 65534, 65534)
    daemon = rig.start_daemon()
    odd = ["new\nline.json", "n" * 250 + ".json", "'; touch x #.json", "\x1b[31mred.json", "..json", "-rf.json"]
    for name in odd:
        drop(rig, name, {"title": "oddly named"})

    assert_lives(rig, daemon)
    until(lambda: "oddly named" in titles(rig), what=lambda: rig.log()[-2000:])
    assert_lives(rig, daemon, "again.json")
    listener.close()

    assert set(titles(rig)) <= {"alive.json", "again.json", "oddly named", "from outside"}
    assert outside.read_text() == '{"title": "from outside"}', "what a link names is left where it is"
    assert daemon.process.poll() is None
    assert daemon.stop() == 0
    if os.geteuid() == 0:
        assert "of another user" not in titles(rig)
    assert rig.log().count("\x1b") == 0


def test_a_file_that_is_too_large_is_rejected_before_it_is_read(rig: Rig) -> None:
    """Fault 12."""
    daemon = rig.start_daemon()
    before = _peak_bytes(daemon.pid)
    huge = rig.home.path / "huge.part"
    with huge.open("wb") as file:
        file.write(b'{"title": "huge", "description": "')
        file.truncate(100 * MIB)
    huge.rename(rig.inbox / "huge.json")

    assert fates(rig, ["huge.json"]) == {"huge.json": "rejected"}
    assert "inbox.max_bytes" in json.dumps(reason(rig, "huge.json"))
    assert _peak_bytes(daemon.pid) - before < 30 * MIB
    assert_lives(rig, daemon)


def test_very_many_files_are_all_taken_in_while_the_daemon_answers(rig: Rig, long_run: bool) -> None:
    """Fault 12."""
    wanted = 100_000 if long_run else 800
    for number in range(wanted // 2):
        (rig.inbox / f"before-{number}.json").write_text(json.dumps({"title": f"file {number}"}))
    daemon = rig.start_daemon()
    before = _peak_bytes(daemon.pid)
    for number in range(wanted // 2, wanted):
        drop(rig, f"after-{number}.json", {"title": f"file {number}"})

    answered = []
    dropped = time.monotonic()

    def all_in() -> bool:
        begun = time.monotonic()
        daemon.report()
        answered.append(time.monotonic() - begun)
        return rig.nexus.stats()["status"].get("pending", 0) >= wanted

    until(all_in, timeout_seconds=240 + wanted / 50, what=lambda: (rig.nexus.stats(), rig.log()[-2000:]))
    took = time.monotonic() - dropped
    until(lambda: not list(rig.inbox.glob("*.json")), what="the inbox is empty")

    assert rig.nexus.stats()["status"]["pending"] == wanted
    # Now and then a busy machine has no time for anybody. Who is not answered before the end waits for all of it.
    assert sorted(answered)[len(answered) * 9 // 10] < max(1.0, took / 5)
    assert _peak_bytes(daemon.pid) - before < (300 if long_run else 60) * MIB
    daemon.stop()
    rig.assert_sound(all_final=False)


def test_monstrous_json_is_rejected_with_a_reason_and_the_loop_lives(rig: Rig, long_run: bool) -> None:
    """Fault 13."""
    keys = 1_000_000 if long_run else 150_000
    monsters = {
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep-object.json": b'{"context": ' * 100_000 + b"1" + b"}" * 100_000,
        "deep-unclosed.json": b"[" * 100_000,
        "infinite.json": b'{"title": "x", "timeout_seconds": 1e999}',
        "infinite-inside.json": b'{"title": "x", "context": {"a": [-1e999]}}',
        "nan.json": b'{"title": "x", "context": {"a": NaN}}',
        "infinity.json": b'{"title": "x", "timeout_seconds": Infinity}',
        "twice.json": b'{"title": "x", "title": "y"}',
        "twice-inside.json": b'{"title": "x", "context": {"a": 1, "a": 2}}',
        "integer.json": b'{"title": "x", "context": {"a": ' + b"9" * (10 * MIB - 100) + b"}}",
        "integer-5000.json": b'{"title": "x", "priority": ' + b"9" * 5000 + b"}",
        "no-task.json": b"17",
        "wrong.json": b'{"title": ["x"], "tags": "no list"}',
        "two.json": b'{"title": "x"} {"title": "y"}',
        "none.json": b"null",
        "nul.json": b'{"title": "x"}\0',
    }
    daemon = rig.start_daemon()
    before = _peak_bytes(daemon.pid)
    for name, content in monsters.items():
        drop(rig, name, content)
    many = {"title": "many keys", "context": {f"{number:x}": 0 for number in range(keys)}}
    drop(rig, "keys.json", json.dumps(many, separators=(",", ":")).encode())  # a million of them fit in the limit

    found = fates(rig, [*monsters, "keys.json"])

    assert found.pop("keys.json") == ("rejected" if long_run else "accepted")  # half a million keys are the most
    assert {name for name, what in found.items() if what != "rejected"} == set()
    for name in monsters:
        assert reason(rig, name), name
    assert_lives(rig, daemon)
    assert set(titles(rig)) <= {"alive.json", "many keys"}
    assert _peak_bytes(daemon.pid) - before < 400 * MIB
    daemon.stop()


def test_strange_text_is_rejected_or_stored_and_shown_escaped(rig: Rig) -> None:
    """Fault 14."""
    strange = {
        "latin.json": '{"title": "Größe"}'.encode("latin-1"),
        "cut.json": b'{"title": "\xe2\x82"}',
        "overlong.json": b'{"title": "\xc0\xaf"}',
        "bom.json": b'\xef\xbb\xbf{"title": "with a BOM"}',
        "utf16.json": '{"title": "UTF-16"}'.encode("utf-16"),
        "utf32.json": '{"title": "UTF-32"}'.encode("utf-32"),
        "surrogate.json": b'{"title": "lone \\ud800 surrogate"}',
        "surrogate-key.json": b'{"title": "x", "context": {"\\udfff": 1}}',
        "ansi.json": b'{"title": "red \\u001b[31m \\u001b]0;owned\\u0007 text"}',
        "rtl.json": b'{"title": "right \\u202e to left", "description": "\\u2066\\u200f"}',
        "nul.json": b'{"title": "nul \\u0000 inside"}',
        "c1.json": b'{"title": "c1 \\u009b31m inside"}',
        "wide.json": '{"title": "👩‍👩‍👧 ﷽ 漢字"}'.encode(),
    }
    daemon = rig.start_daemon()
    for name, content in strange.items():
        drop(rig, name, content)
    found = fates(rig, list(strange))
    assert_lives(rig, daemon)
    daemon.stop()

    for name in ("latin.json", "cut.json", "overlong.json", "surrogate.json", "surrogate-key.json"):
        assert found[name] == "rejected", name
    assert found["wide.json"] == "accepted"
    for task in rig.nexus.get_all_tasks():
        for arguments in (("show", task.task_id), ("why", task.task_id), ("list",)):
            shown = rig.dt(*arguments, environment={"PYTHONIOENCODING": "utf-8"})
            assert shown.code == 0, shown.err
            assert [character for character in CONTROL if character in shown.out] == [], (arguments, task.title)
        assert rig.dt("show", task.task_id, "--json").json["title"] == task.title
    assert [character for character in CONTROL if character in rig.log()] == []
    rig.assert_sound(all_final=False)


def test_the_same_storm_twice_gives_the_same_board(make_rig: Callable[..., Rig], rng: random.Random) -> None:
    """Good and bad files by chance, the daemon killed in between: all good ones are there once, all bad ones rejected."""
    rig = make_rig()
    good, bad = [], []
    daemon = rig.start_daemon()
    for number in range(40):
        name = f"file-{number}.json"
        if rng.random() < 0.3:
            bad.append(name)
            drop(rig, name, rng.choice((b"{", b"[1]", b'{"titel": "x"}', b'{"title": ""}', b"\xff")))
        else:
            good.append(name)
            drop(rig, name, {"title": name})
        if number % 10 == 9:
            daemon.kill()
            daemon = rig.start_daemon()

    found = fates(rig, [*good, *bad])

    assert found == {**dict.fromkeys(good, "accepted"), **dict.fromkeys(bad, "rejected")}
    assert titles(rig) == sorted(good)
    daemon.stop()
    rig.assert_sound(all_final=False)


def _peak_bytes(pid: int) -> int:
    """The most memory it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
