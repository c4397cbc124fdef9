"""A module that is run as a process of its own: asked by stdin, answering by a file, and ended with all it started."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.own_program import OwnProgram
from dreamos_tasks.tools.redaction import Redactor

SENDS = "dreamos_tasks.tools.message_apprise_run"
ASKED = {
    "url": "nothing://127.0.0.1",
    "title": "t",
    "body": "b",
    "level": "info",
    "allowed": {"allow_private": True, "daemon_address": ""},
}
NOTHING = Redactor(())


def program(module: str = SENDS) -> OwnProgram:
    return OwnProgram(module=module, children=Children(home_id="home", instance=secrets.token_hex(8)))


async def test_it_answers_what_it_is_asked(tmp_path: Path) -> None:
    answer, result = await program().ask(ASKED, context=context_in(tmp_path), redactor=NOTHING)

    assert answer is not None
    assert answer["known"] is False
    assert result.category is None


async def test_modules_in_the_workspace_are_not_taken_for_its_own(tmp_path: Path) -> None:
    context = context_in(tmp_path, environment={"PATH": os.defpath, "PYTHONPATH": str(tmp_path / "workspace")})
    (context.cwd / "json.py").write_text("raise SystemExit('not this one')")
    (context.cwd / "apprise.py").write_text("raise SystemExit('not this one')")

    answer, _ = await program().ask(ASKED, context=context, redactor=NOTHING)

    assert answer is not None


async def test_one_that_ends_without_an_answer_has_failed(tmp_path: Path) -> None:
    wrong, failed = await program().ask({}, context=context_in(tmp_path), redactor=NOTHING)
    silent, ended = await program("this").ask({}, context=context_in(tmp_path), redactor=NOTHING)

    assert wrong is None
    assert failed.category is not None
    assert "KeyError" in failed.output_head
    assert silent is None
    assert (ended.category, ended.message) == (ErrorCategory.LOGIC, "it ended without an answer")


async def test_without_a_place_for_temporary_files_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")

    answer, result = await program().ask(ASKED, context=context_in(tmp_path), redactor=NOTHING)

    assert answer is None
    assert result.category is not None
    assert "no place for temporary files" in result.message


async def test_a_workspace_that_is_not_there_is_told(tmp_path: Path) -> None:
    context = context_in(tmp_path, cwd=tmp_path / "nowhere")

    answer, result = await program().ask(ASKED, context=context, redactor=NOTHING)

    assert answer is None
    assert "nowhere" in result.message
