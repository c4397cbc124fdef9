"""The verb doctor: checks this machine, this home and this board, and mends what needs no decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import SECONDS
from dreamos_tasks.interfaces.cli.text import count, harmless_block
from dreamos_tasks.interfaces.cli.verb import verb

if TYPE_CHECKING:
    from dreamos_tasks.app.checkup import Finding

MOST_RACERS = 64  # processes; each takes about 30 MB
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@verb("doctor", examples=("dt doctor", "dt doctor --fix", "dt doctor --json", "dt doctor --race 8 --kill"))
@option("--fix", is_flag=True, help="Mend permissions, missing folders and what a dead daemon left.")
@option("--race", "processes", metavar="N", type=click.IntRange(2, MOST_RACERS), help="Have N processes race instead.")
@option("--kill", is_flag=True, help="With --race: kill them at random while they work.")
@option("--rounds", metavar="N", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of claiming.")
@option("--seconds", metavar="S", type=SECONDS, default=5.0, show_default=True, help="How long --kill goes on.")
@option("--seed", metavar="N", type=click.IntRange(0), help="Whom to kill and when, as a race before had it.")
def doctor(
    call: Call, fix: bool, processes: int | None, kill: bool, rounds: int, seconds: float, seed: int | None
) -> None:
    """Check this machine and this board, each line ok, warn or fail with its fix. Exits 1 when something fails.

    --race proves on this disk what claims promise: N processes claim one task, add at once, work and (--kill) are killed with
    kill -9, on a board of their own in a folder beside this one, which is removed. An auditor then says whether each task was
    done exactly once and nothing that was acknowledged is lost.
    """
    from dreamos_tasks.app.checkup import Level, check_up, mend

    if processes is not None and fix:
        raise UsageError("--race mends nothing", fix="dt doctor --fix, then dt doctor --race 8 --kill")
    if processes is not None:
        from dreamos_tasks.interfaces.cli.race import race

        race(call, processes=processes, rounds=rounds, kill_seconds=seconds if kill else 0.0, seed=seed)
        return
    if kill or seed is not None:
        raise UsageError("--kill and --seed are about a race", fix="dt doctor --race 8 --kill")
    findings = check_up(call.home)
    mended: tuple[Finding, ...] = ()
    if fix and (mended := mend(findings)):
        findings = check_up(call.home)
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    warned = [finding for finding in findings if finding.level is Level.WARN]
    if call.out.as_json:
        call.out.document(
            {"ok": not failed, "checks": [_form(each) for each in findings], "mended": [_form(each) for each in mended]}
        )
    else:
        for finding in mended:
            call.out.line(f"mended: {harmless_block(finding.detail)}")
        for finding in findings:
            _show(call, finding)
        call.out.line(f"{count(len(findings), 'check')}, {count(len(warned), 'warning')}, {len(failed)} failed")
    call.exit_code = 1 if failed else 0


def _form(finding: Finding) -> dict[str, str | bool]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "detail": finding.detail,
        "fix": finding.fix,
        "mendable": finding.repair is not None,
    }


def _show(call: Call, finding: Finding) -> None:
    word = call.out.painted(f"{finding.level.value:<4}", COLOURS[finding.level.value])
    detail = harmless_block(finding.detail).replace("\n", "\n" + " " * 19)
    call.out.line(f"{word}  {finding.check:<11}  {detail}")
    if finding.fix and finding.level.value != "ok":
        call.out.line(f"{'':<19}fix: {harmless_block(finding.fix)}")
