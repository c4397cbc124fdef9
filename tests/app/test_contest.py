"""The races of dt doctor: they hold on sound boards, they are seen to fail on others, and they leave nothing behind."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.app.race import contest as contests
from dreamos_tasks.app.race.contest import Contest, run_races
from dreamos_tasks.app.race.journal import WORK, Entry
from tests.interfaces.cli.conftest import Dt, home, unmade

__all__ = ["home", "unmade"]


@pytest.fixture
def contest(tmp_path: Path) -> Iterator[Contest]:
    with closing(Contest(tmp_path / "nexus.db", processes=3, rng=random.Random(1))) as opened:
        yield opened


@pytest.mark.parametrize("name", ["nexus.db", "nexus.json"])
def test_processes_that_are_killed_at_random_do_each_task_once(tmp_path: Path, name: str) -> None:
    board = tmp_path / "nexus.db"

    report = run_races(board, name=name, processes=4, rounds=3, kill_seconds=1.0, seed=7)

    assert [(proof.name, proof.ok) for proof in report.proofs] == [
        (proof, True) for proof in ("claims", "adds", "work", "exactly_once", "audit")
    ], report.proofs
    assert report.ok
    assert "killed with kill -9" in report.proofs[2].detail
    assert list(tmp_path.iterdir()) == [], "the board was never touched, and the folder is gone"


def test_two_winners_of_a_round_are_seen(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contests, "_ask_all", lambda racers, word: ["won"] * len(racers))

    proof = contest.claims(2)

    assert not proof.ok
    assert "0 of 2 rounds ([3, 3])" in proof.detail


def test_a_lost_task_and_work_without_a_claim_are_seen(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    contest.ledger.note("add", "dt-lost")
    contest.journal.append(Entry("dt-lost", WORK, 1, 1))
    monkeypatch.setattr(contests, "_ask_all", lambda racers, word: ["dt-gone dt-lost"] * len(racers))

    adds = contest.adds()
    once, audit = contest.audited()

    assert (adds.ok, adds.detail) == (False, "3 x 5 tasks added at once: 0 of 15 kept")
    assert once.ok
    assert not audit.ok
    assert "I2 dt-gone" in audit.detail


def test_unfinished_work_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contest, "_is_open", lambda _: True)  # however quick they are
    with closing(Contest(tmp_path / "nexus.db", processes=2, rng=random.Random(1), patience_seconds=0)) as contest:
        proof = contest.work(kill_seconds=0)

    assert not proof.ok
    assert "were not finished" in proof.detail


def test_what_a_killed_race_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, others = tmp_path / f".race-{gone.pid}-abc", tmp_path / ".race-1-xyz"
    left.mkdir()
    others.mkdir()

    with contests._scratch(tmp_path) as folder:
        assert folder.parent == tmp_path

    assert list(tmp_path.iterdir()) == [others], "that one's process lives"


def test_doctor_tells_of_the_races_and_needs_no_board(unmade: Dt) -> None:
    raced = unmade("doctor", "--race", "2", "--rounds", "2", "--seed", "5", "--json")

    assert (raced.code, raced.json["ok"], raced.json["seed"]) == (0, True, 5)
    assert raced.json["proofs"][0]["detail"] == "2 processes claimed one task: exactly one winner in 2 of 2 rounds"
    assert not (unmade.home / "runtime" / "nexus.db").exists()
    assert unmade("doctor", "--kill").code == 2
    assert unmade("doctor", "--race", "2", "--fix").code == 2
    assert unmade("doctor", "--race", "1").code == 2


def test_doctor_tells_a_person_line_by_line_and_by_its_exit_code(unmade: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Contest, "claims", lambda contest, rounds: contests.Proof(name="claims", ok=False, detail="two")
    )

    raced = unmade("doctor", "--race", "2")

    assert raced.code == 1
    assert raced.out.startswith(
        "fail  claims         two\nok    adds           2 x 5 tasks added at once: 10 of 10 kept\n"
    )
    assert "5 proofs, 1 failed" in raced.out
    assert "--seed" in raced.err
