"""What a command prints is kept within its limit, whatever and however much it is."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from tests.tools.conftest import Workshop, is_running

MEBIBYTE = 1_048_576
LIMIT = {"output_limit_bytes": 65_536}


def memory_bytes(field: str) -> int:
    """A field of /proc/self/status: VmRSS, or VmHWM, its highest since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def test_a_line_of_200_mb_is_cut_to_head_and_tail_in_bounded_memory(workshop: Workshop) -> None:
    line = "printf begin; head -c 209715200 /dev/zero | tr '\\0' x; printf end"
    forget_peak()
    before = memory_bytes("VmRSS")

    result = await workshop.run(line)

    assert memory_bytes("VmHWM") - before < 12 * MEBIBYTE
    assert result.category is None
    assert result.output_bytes == 209_715_200 + 8
    assert result.output_head.startswith("beginxxx")
    assert result.output_tail.endswith("xxxend")
    assert len(result.output_head) + len(result.output_tail) <= 8192
    assert result.output_path is not None
    kept = result.output_path.read_bytes()
    assert 10 * MEBIBYTE - 200 <= len(kept) <= 10 * MEBIBYTE
    assert kept.startswith(b"beginxxx")
    assert kept.endswith(b"xxxend")
    assert result.output_sha256 == hashlib.sha256(kept).hexdigest()


async def test_many_lines_keep_the_first_and_the_last_and_say_how_much_is_left_out(
    workshop: Workshop,
) -> None:
    result = await workshop.run("seq 3000000", LIMIT)

    assert result.output_path is not None
    kept = result.output_path.read_bytes()
    head, _, tail = kept.partition(b"\n[... ")
    number, _, tail = tail.partition(b" bytes left out ...]\n")
    assert len(kept) <= 65_536
    assert head.startswith(b"1\n2\n3\n")
    assert tail.endswith(b"\n2999999\n3000000\n")
    assert len(head) + int(number) + len(tail) == result.output_bytes


async def test_output_up_to_the_limit_is_kept_whole(workshop: Workshop) -> None:
    result = await workshop.run("head -c 65536 /dev/zero | tr '\\0' x", LIMIT)

    assert result.output_path is not None
    assert result.output_path.read_bytes() == b"x" * 65_536


async def test_binary_output_is_kept_as_it_is_and_shown_as_text(workshop: Workshop) -> None:
    result = await workshop.run("printf 'a\\377\\000\\303\\251z'")

    assert result.output_path is not None
    assert result.output_path.read_bytes() == b"a\xff\0\xc3\xa9z"
    assert result.output_head == "a\ufffd\ufffdéz"
    assert result.output_tail == ""


async def test_both_streams_are_kept_in_the_order_of_their_arrival(workshop: Workshop) -> None:
    result = await workshop.run("echo one; echo two >&2; echo three")

    assert result.output_head == "one\ntwo\nthree\n"


async def test_without_output_nothing_is_made(workshop: Workshop) -> None:
    result = await workshop.run("true")

    assert result.output_path is None
    assert result.output_sha256 == ""
    assert list(workshop.folder.iterdir()) == []


async def test_logs_are_for_their_owner_alone(workshop: Workshop) -> None:
    old = os.umask(0)
    try:
        result = await workshop.run("echo secret")
    finally:
        os.umask(old)

    assert result.output_path == workshop.context.run_dir / "build.log"
    assert stat.S_IMODE(result.output_path.stat().st_mode) == 0o600
    for folder in (workshop.context.run_dir, workshop.context.run_dir.parent, workshop.folder / "runs"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_step_that_runs_again_under_its_claim_keeps_both_logs(workshop: Workshop) -> None:
    first = await workshop.run("echo first")
    second = await workshop.run("echo second")

    assert first.output_path is not None
    assert second.output_path is not None
    assert first.output_path.read_text() == "first\n"
    assert second.output_path.read_text() == "second\n"


async def test_a_log_that_cannot_be_written_is_said_and_does_not_stop_the_step(workshop: Workshop) -> None:
    (workshop.folder / "file").touch()

    result = await workshop.run("seq 100000", {"run_dir": workshop.folder / "file" / "below"})

    assert result.category is None
    assert result.message == "its log is incomplete: Not a directory"
    assert result.output_path is None
    assert result.output_bytes == 588_895
    assert result.output_head.startswith("1\n2\n")
    assert result.output_tail.endswith("\n100000\n")


async def test_what_is_printed_while_the_rest_is_ended_is_kept(workshop: Workshop) -> None:
    escaped = "trap 'echo asked; exit' TERM; echo $$ > escaped; while :; do sleep 0.01; done"
    (workshop.folder / "escape").write_text(escaped)
    line = "setsid sh escape & until [ -s escaped ]; do :; done"

    result = await workshop.run(line)

    assert "asked\n" in result.output_head
    assert not is_running(await workshop.pid_in("escaped"))
