"""dt prime: what an agent is told before it begins; always short, whatever stands on the board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamos_tasks.app.briefing import COUNTED
from dreamos_tasks.interfaces.cli.prime_text import MOST_TOKENS
from dreamos_tasks.interfaces.cli.verb_table import VERBS
from dreamos_tasks.model.token_estimate import estimated_tokens
from tests.interfaces.cli.conftest import Dt

LONG_NAME = "an-agent-with-a-name-that-nobody-would-want-to-type-" + "x" * 12


def test_an_agent_is_told_what_it_holds_what_is_ready_and_what_it_was_written(dt: Dt) -> None:
    held, ready = dt.add("Fix the parser", "--priority", "high"), dt.add("Write the guide")
    dt.add("Build it", "--run", "make")
    dt.add("Only for bob", "--assign", "bob")
    dt("claim", held, "--agent", "ada")
    dt("mail", "send", "ada", "--agent", "bob", "--subject", "the parser is yours")

    told = dt("prime", "--agent", "ada")
    form = dt("prime", "--agent", "ada", "--json").json

    assert told.code == 0
    assert "You are ada." in told.out
    assert f"- {held} token 1, lease 15 min left: Fix the parser" in told.out
    assert f"Ready for you: 1.\n- {ready} (medium) Write the guide" in told.out
    assert "from bob: the parser is yours" in told.out
    assert [each["task_id"] for each in form["holding"]] == [held]
    assert 800 < form["holding"][0]["lease_seconds_left"] <= 900
    assert [each["task_id"] for each in form["ready"]] == [ready], "plans are the daemon's, and bob's task is bob's"
    assert (form["unread_count"], form["unread"][0]["subject"]) == (1, "the parser is yours")
    assert dt("mail", "list", "--agent", "ada", "--unread", "--json").json, "being told of mail is not reading it"


def test_what_others_are_to_do_hides_nothing_that_is_ready_however_much_it_is(dt: Dt, tmp_path: Path) -> None:
    tasks = [{"title": f"bob's {n}", "priority": "high", "assigned_to": "bob"} for n in range(COUNTED + 3)]
    (tmp_path / "tasks.json").write_text(json.dumps([*tasks, {"title": "for anybody", "priority": "low"}]))
    assert dt("add", "--file", str(tmp_path / "tasks.json")).code == 0
    ada, bob = dt("prime", "--agent", "ada").out, dt("prime", "--agent", "bob").out
    assert "Ready for you: 1." in ada
    assert "for anybody" in ada
    assert f"Ready for you: {COUNTED} or more." in bob


def test_who_has_no_name_is_told_of_the_board_and_how_to_get_one(dt: Dt) -> None:
    ready = dt.add("Write the guide")

    told = dt("prime")

    assert told.code == 0
    assert "no name yet" in told.out
    assert ready in told.out
    assert dt("prime", "--json").json["agent_id"] is None


def test_a_place_without_a_board_is_told_of_and_none_is_made(unmade: Dt) -> None:
    told = unmade("prime", "--agent", "ada")

    assert told.code == 0
    assert "no board yet" in told.out
    assert "dt next --agent ada" in told.out
    assert unmade("prime", "--json").json["board"]["exists"] is False
    assert not unmade.home.exists()


def test_a_hook_says_nothing_where_there_is_no_board(unmade: Dt) -> None:
    told = unmade("prime", "--hook", "codex")

    assert (told.code, told.json["hookSpecificOutput"]["additionalContext"]) == (0, "")


def test_who_may_not_claim_is_told_why(dt: Dt) -> None:
    dt.add("one")
    dt("agents", "register", "ada", "--max-tasks", "1")
    dt("agents", "pause", "ada", "--reason", "its tests are flaky")

    assert "You can claim nothing now" in dt("prime", "--agent", "ada").out
    assert "flaky" in dt("prime", "--agent", "ada").out
    dt("agents", "resume", "ada")
    dt("next", "--agent", "ada")
    assert dt("prime", "--agent", "ada", "--json").json["hindrance"]["code"] == "agent_at_capacity"


@pytest.mark.parametrize(
    "words", ["Fix the parser of the lexer " * 18, "请修复解析器" * 83, "🐍\u202e" * 250], ids=["en", "zh", "odd"]
)
@pytest.mark.parametrize("name", ["ada", LONG_NAME])
def test_it_costs_less_than_1000_tokens_on_a_busy_board_with_a_long_path(dt: Dt, words: str, name: str) -> None:
    drafts = [{"title": words[:500], "priority": "critical", "tags": ["core"]} for _ in range(60)]
    assert dt("add", "-", stdin=json.dumps(drafts)).code == 0
    for _ in range(8):
        dt("next", "--agent", name)
    for _ in range(8):
        dt("mail", "send", name, "--agent", "b" * 60, "--subject", words[:256])
    dt("agents", "register", name, "--max-tasks", "8")

    told = dt("--home", str(dt.home), "prime", "--agent", name)

    assert told.code == 0
    assert estimated_tokens(told.out) < MOST_TOKENS
    assert "You hold: 8." in told.out
    assert "Unread mail: 8." in told.out
    assert "\u202e" not in told.out


def test_a_hook_is_answered_in_the_form_of_its_program_even_if_the_board_is_damaged(dt: Dt) -> None:
    dt.add("Write the guide")
    claude = dt("prime", "--hook", "claude", "--agent", "ada")
    cursor = dt("prime", "--hook", "cursor")
    (dt.home / "runtime" / "nexus.db").write_bytes(b"no board" * 1000)
    damaged = dt("prime", "--hook", "gemini")

    assert claude.json["hookSpecificOutput"]["hookEventName"] == "SessionStart"
    assert "Write the guide" in claude.json["hookSpecificOutput"]["additionalContext"]
    assert "Write the guide" in cursor.json["additional_context"]
    assert damaged.code == 0
    assert "cannot be read now" in damaged.json["hookSpecificOutput"]["additionalContext"]
    assert dt("prime").code == 6, "a person is told so by the exit code"


def test_every_command_that_it_names_is_one(dt: Dt) -> None:
    for each in dt("prime", "--agent", "ada", "--json").json["commands"]:
        for command in each["command"].split("; "):
            program, verb, *_ = command.split()
            assert (program, verb in VERBS) == ("dt", True), command


def test_a_board_kept_as_json_is_told_of_too(unmade: Dt, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "config.yaml").write_text("dreamos_tasks: 1\nboard: {store: json}\n")
    unmade("init")
    held = unmade.add("Fix the parser")
    unmade("next", "--agent", "ada")

    assert f"- {held} token 1" in unmade("prime", "--agent", "ada").out
