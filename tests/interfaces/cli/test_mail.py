"""mail: what agents write to one another, on the board and in folders."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from dreamos_tasks.board import mailboxes

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


def sent(dt: Dt, *args: str) -> Any:
    answer = dt("mail", "send", "ada", "--agent", "bob", "--json", *args)
    assert answer.code == 0, answer.err
    return answer.json


def box(dt: Dt, *args: str) -> list[Any]:
    found: list[Any] = dt("mail", "list", "--agent", "ada", "--json", *args).json
    return found


@pytest.fixture
def folder(home: Path) -> Path:
    path = home / "runtime" / "agent_mailboxes" / "ada" / "inbox"
    path.mkdir(parents=True, mode=0o700)
    for above in (path.parent, path.parent.parent):
        above.chmod(0o700)
    return path


@pytest.mark.parametrize("body", ["[" * 50_000, '{"a": NaN}', '{"a": "\\ud800"}'], ids=["deep", "NaN", "surrogate"])
def test_a_body_that_is_no_json_is_refused_with_the_reason(dt: Dt, body: str) -> None:
    answer = dt("mail", "send", "ada", "--agent", "bob", "--subject", "x", "--type", "json", "--body", body)
    assert (answer.code, box(dt)) == (7, [])
    assert "the body is not JSON" in answer.err


def test_a_mailbox_without_a_usable_folder_gets_its_mail_all_the_same(dt: Dt, folder: Path) -> None:
    for agent in ("ada", "zoe"):
        dt("agents", "register", agent)
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.touch()
    sent(dt, "--subject", "Hello")
    assert dt("mail", "broadcast", "--agent", "bob", "--subject", "Frozen").code == 0
    told = dt("mail", "list", "--agent", "bob", "--sent", "--json").json
    assert {(one["to_agent_id"], one["subject"]) for one in told} == {
        ("ada", "Hello"),
        ("ada", "Frozen"),
        ("zoe", "Frozen"),
    }
    unusable = dt("mail", "list", "--agent", "ada")
    assert (unusable.code, "is not a folder" in unusable.err) == (6, True)


@pytest.mark.parametrize("body_type", ["text", "json"])
def test_a_body_that_is_too_long_is_refused_at_every_door(dt: Dt, folder: Path, tmp_path: Path, body_type: str) -> None:
    words = "x" * 1_048_577
    said = tmp_path / "body"
    said.write_text(words if body_type == "text" else json.dumps([words]))
    answer = dt("mail", "send", "ada", "--agent", "bob", "--subject", "x", "--type", body_type, "--body", f"@{said}")
    assert (answer.code, "are the most" in answer.err) == (7, True)
    kind = "text/plain" if body_type == "text" else "application/json"
    body = words if body_type == "text" else [words]
    message = {"from_agent_id": "bob", "subject": "x", "body_type": kind, "body": body}
    (folder / "long.json").write_text(json.dumps(message))
    assert box(dt) == []
    assert (folder.parent / "rejected" / "long.json").exists()


def test_a_message_is_sent_read_and_acknowledged(dt: Dt) -> None:
    message = sent(dt, "--subject", "Hello", "--body", "two\nlines", "--ack", "--priority", "high", "--tag", "core")
    assert [found["subject"] for found in box(dt, "--unread")] == ["Hello"]
    read = dt("mail", "read", message["message_id"][:6], "--agent", "ada", "--json").json
    assert (read["body"], read["priority"], read["tags"], read["version"]) == ("two\nlines", "high", ["core"], "1.0")
    assert read["read_at"] is not None
    assert box(dt, "--unread") == []
    assert dt("mail", "ack", message["message_id"], "--agent", "ada").code == 0
    (seen,) = dt("mail", "list", "--sent", "--agent", "bob", "--json").json
    assert seen["acknowledged_at"] is not None


def test_every_message_fits_its_schema(dt: Dt) -> None:
    message = sent(dt, "--subject", "s", "--type", "json", "--body", '{"a": [1]}')
    jsonschema.validate(message, dt("schema", "message").json)
    draft = {"to_agent_id": "ada", "from_agent_id": "bob", "subject": "s"}
    jsonschema.validate(draft, dt("schema", "message-draft").json)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**draft, "subject": "x" * 257}, dt("schema", "message-draft").json)


def test_a_message_of_type_task_becomes_a_task_of_its_receiver_once(dt: Dt, tmp_path: Path) -> None:
    message = sent(
        dt, "--subject", "Fix it", "--type", "task", "--body", '{"run": "make test"}', "--priority", "critical"
    )
    task = dt.task(message["task_id"])
    assert (task["title"], task["assigned_to"], task["created_by"], task["priority"]) == (
        "Fix it",
        "ada",
        "bob",
        "critical",
    )
    again = tmp_path / "again.json"
    again.write_text(
        json.dumps(
            {name: message[name] for name in ("message_id", "to_agent_id", "from_agent_id", "subject")}
            | {
                "body_type": "application/dreamos-task",
                "body": {"run": "make test"},
            }
        )
    )
    assert dt("mail", "send", "--file", str(again), "--json").json["task_id"] == message["task_id"]
    assert len(dt("list", "--json").json) == 1


def test_a_message_whose_task_is_none_is_not_sent(dt: Dt) -> None:
    refused = dt(
        "mail", "send", "ada", "--agent", "bob", "--subject", "s", "--type", "task", "--body", '{"plan": 7}', "--json"
    )
    assert (refused.code, refused.error["code"]) == (7, "invalid_input")
    assert box(dt) == []
    assert dt("list", "--json").json == []


def test_a_broadcast_goes_to_everybody_else(dt: Dt) -> None:
    dt("agents", "register", "eve")
    dt("agents", "register", "bob")
    sent(dt, "--subject", "first")
    messages = dt("mail", "broadcast", "--agent", "bob", "--subject", "main is frozen", "--json").json
    assert sorted(message["to_agent_id"] for message in messages) == ["ada", "eve"]
    assert len({message["metadata"]["broadcast_id"] for message in messages}) == 1


def test_one_message_to_two_agents_asks_each_for_a_task_of_its_own(dt: Dt, tmp_path: Path) -> None:
    form = {
        "message_id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "from_agent_id": "bob",
        "subject": "Fix it",
        "body_type": "application/dreamos-task",
        "body": {"run": "make test"},
    }
    tasks = []
    for name in ("ada", "eve"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**form, "to_agent_id": name}))
        tasks.append(dt.task(dt("mail", "send", "--file", str(path), "--json").json["task_id"]))
    assert [task["assigned_to"] for task in tasks] == ["ada", "eve"]


def test_another_message_under_an_id_that_is_taken_is_refused_and_the_same_one_is_not(dt: Dt, tmp_path: Path) -> None:
    form = {"to_agent_id": "ada", "message_id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "from_agent_id": "bob"}
    codes = []
    for subject, body in (("Fix it", [1.5, {"a": None}]), ("Fix it", [1.5, {"a": None}]), ("Fix it", []), ("No", "x")):
        path = tmp_path / "message.json"
        path.write_text(json.dumps({**form, "subject": subject, "body": body, "body_type": "application/json"}))
        codes.append(dt("mail", "send", "--file", str(path)).code)
    assert codes == [0, 0, 7, 7]
    assert [message["subject"] for message in box(dt)] == ["Fix it"]


def test_a_broadcast_reaches_more_agents_than_fit_on_a_page(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "PAGE", 2)
    for name in ("ada", "eve", "kim", "lee", "max"):
        dt("agents", "register", name)
    messages = dt("mail", "broadcast", "--agent", "bob", "--subject", "frozen", "--json").json
    assert [message["to_agent_id"] for message in messages] == ["ada", "eve", "kim", "lee", "max"]


def test_a_broadcast_to_nobody_is_an_error(dt: Dt) -> None:
    assert dt("mail", "broadcast", "--agent", "bob", "--subject", "anybody?").code == 3


def test_the_folder_mirrors_what_is_open_and_puts_away_what_is_done(dt: Dt, home: Path) -> None:
    message = sent(dt, "--subject", "Hello", "--ack")
    inbox = home / "runtime" / "agent_mailboxes" / "ada" / "inbox"
    mirrored = inbox / f"{message['message_id']}.json"
    assert json.loads(mirrored.read_text()) == message
    assert mirrored.stat().st_mode & 0o777 == 0o600
    dt("mail", "read", "--all", "--agent", "ada")
    assert mirrored.exists()  # it is still to be acknowledged
    dt("mail", "ack", message["message_id"], "--agent", "ada")
    assert not mirrored.exists()
    assert (inbox.parent / "archive" / mirrored.name).exists()


def test_a_dropped_message_is_taken_in_once_and_a_wrong_one_says_why(dt: Dt, folder: Path) -> None:
    (folder / "good.json").write_text(json.dumps({"from_agent_id": "eve", "subject": "dropped", "body": "x"}))
    (folder / "bad.json").write_text(json.dumps({"from_agent_id": "eve", "subjec": "dropped"}))
    (folder / "other.json").write_text(json.dumps({"to_agent_id": "bob", "from_agent_id": "eve", "subject": "astray"}))
    (folder / "notes.txt").write_text("left alone")
    assert [message["subject"] for message in box(dt)] == ["dropped"]
    assert [message["subject"] for message in box(dt)] == ["dropped"]
    rejected = folder.parent / "rejected"
    assert sorted(path.name for path in rejected.iterdir()) == [
        "bad.json", "bad.json.error.json", "other.json", "other.json.error.json",
    ]  # fmt: skip
    why = json.loads((rejected / "bad.json.error.json").read_text())
    assert (why["pointer"], why["nearest_field"]) == ("/subjec", "subject")
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".txt"]


def test_a_file_that_is_still_being_written_is_waited_for(dt: Dt, folder: Path) -> None:
    whole = json.dumps({"from_agent_id": "eve", "subject": "slow"})
    (folder / "slow.json").write_text(whole[:20])
    soon = time.time() + 60
    os.utime(folder / "slow.json", (soon, soon))  # just written, however long the look at it takes
    assert box(dt) == []
    assert not (folder.parent / "rejected").exists()
    (folder / "slow.json").write_text(whole)
    assert [message["subject"] for message in box(dt)] == ["slow"]


def test_a_link_that_was_dropped_is_not_followed(dt: Dt, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"from_agent_id": "eve", "subject": "secret"}))
    (folder / "link.json").symlink_to(secret)
    assert box(dt) == []
    assert secret.exists()
    assert "symbolic link" in (folder.parent / "rejected" / "link.json.error.json").read_text()


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("ada", "--agent", "bob"), 2),  # no subject
        (("--agent", "bob", "--subject", "s"), 2),  # nobody to send it to
        (("ada", "--subject", "s"), 2),  # nobody who sends it
        (("../up", "--agent", "bob", "--subject", "s"), 7),
        (("ada", "--agent", "bob", "--subject", "x" * 257), 7),
        (("ada", "--agent", "bob", "--subject", "s", "--type", "json", "--body", "{"), 7),
    ],
)
def test_what_cannot_be_sent_is_refused(dt: Dt, args: tuple[str, ...], code: int) -> None:
    assert dt("mail", "send", *args).code == code
    assert not (dt.home / "runtime" / "agent_mailboxes").exists()


def test_the_mailbox_as_markdown_lets_no_message_look_like_another(dt: Dt) -> None:
    sent(dt, "--subject", "One", "--body", "## Two\n- from eve", "--type", "markdown")
    printed = dt("mail", "list", "--markdown", "--agent", "ada").out
    assert [line for line in printed.splitlines() if line.startswith("## ")] == ["## One"]
    sent(dt, "--subject", "Two", "--body", "```\nA code block that nobody ends\n===", "--type", "markdown")
    printed = dt("mail", "list", "--markdown", "--agent", "ada").out
    assert not [line for line in printed.splitlines() if line.startswith(("```", "=="))]


def test_mail_of_a_message_that_is_not_there_names_the_mailbox(dt: Dt) -> None:
    answer = dt("mail", "read", "9f3a", "--agent", "ada", "--json")
    assert (answer.code, answer.error["code"]) == (3, "message_not_found")


def test_mail_to_a_name_that_nobody_has_and_another_nearly_has_is_sent_and_says_so(dt: Dt) -> None:
    dt("agents", "register", "ada")
    slip = dt("mail", "send", "adda", "--agent", "bob", "--subject", "x")
    assert (slip.code, "nobody is known as adda; did you mean ada?" in slip.err) == (0, True)
    for name in ("ada", "somebody-else"):
        assert "nobody is known" not in dt("mail", "send", name, "--agent", "bob", "--subject", "x").err
