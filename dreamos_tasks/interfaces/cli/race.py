"""What `dt doctor --race` says: what each race showed, and the seed that repeats its choices."""

from __future__ import annotations

import random

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.text import count, harmless_block

MOST_SEED = 2**32


def race(call: Call, *, processes: int, rounds: int, kill_seconds: float, seed: int | None) -> None:
    """Have processes race beside the board of this call. The exit code is 1 when something did not hold."""
    from dreamos_tasks.app.race.contest import run_races

    chosen = random.SystemRandom().randrange(MOST_SEED) if seed is None else seed
    killed = f", {kill_seconds:g} s of kill -9" if kill_seconds else ""
    call.out.note(f"{processes} processes race{killed} (--seed {chosen})")
    settings = call.settings.board
    report = run_races(
        call.home.board(settings),
        processes=processes,
        rounds=rounds,
        kill_seconds=kill_seconds,
        seed=chosen,
        name="nexus.json" if settings.store == "json" else "nexus.db",
    )
    call.exit_code = 0 if report.ok else 1
    if call.out.as_json:
        call.out.document(
            {
                "ok": report.ok,
                "processes": report.processes,
                "seed": report.seed,
                "store": settings.store,
                "seconds": round(report.seconds, 1),
                "proofs": [{"proof": each.name, "ok": each.ok, "detail": each.detail} for each in report.proofs],
            }
        )
        return
    for each in report.proofs:
        word = call.out.painted("ok  ", "green") if each.ok else call.out.painted("fail", "red")
        call.out.line(f"{word}  {each.name:<13}  {harmless_block(each.detail)}")
    failed = sum(not each.ok for each in report.proofs)
    call.out.line(f"{count(len(report.proofs), 'proof')}, {failed} failed, in {report.seconds:.1f} s")
