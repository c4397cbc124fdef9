"""References: typed, found before anything runs, and never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.references import UnknownReference, references_in, resolved, revealed, trouble_with
from tests.values import json_values

RECORDS = {
    "build": StepResult(
        name="build",
        status=StepStatus.COMPLETED,
        exit_code=0,
        value={"path": "dist/app.whl", "files": ["a", {"size": 3}]},
        output_head="built\n",
        output_path="dt-1/1/build.log",
    ),
    "print": StepResult(
        name="print",
        status=StepStatus.COMPLETED,
        exit_code=0,
        output_head='{"version": "1.2", "ok": true}\n',
        output_path="dt-1/1/print.log",
    ),
    "long": StepResult(name="long", status=StepStatus.COMPLETED, output_head="a", output_tail="z", output_path="l"),
    "mute": StepResult(name="mute", status=StepStatus.FAILED, exit_code=3),
}


def path_of(record: StepResult) -> str | None:
    return f"/runs/{record.output_path}" if record.output_path else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${steps.build.output.path}", "dist/app.whl"),
        ("${steps.print.output.path}", "/runs/dt-1/1/print.log"),
        ("${steps.print.output.text}", '{"version": "1.2", "ok": true}'),
        ("${steps.print.output.ok}", True),
        ("${steps.print.output}", '{"version": "1.2", "ok": true}'),
        ("${steps.build.output}", RECORDS["build"].value),
        ("${steps.build.value.files.1.size}", 3),
        ("${steps.build.exit_code}", 0),
        ("${steps.mute.status}", "failed"),
        ("v${steps.print.output.version}, ${steps.build.exit_code}", "v1.2, 0"),
        ("${steps.build.value.files}!", '["a", {"size": 3}]!'),
        ("${HOME} $HOME $(date) ${steps}", "${HOME} $HOME $(date) ${steps}"),
        ("${steps.long.output.path}", "/runs/l"),
    ],
)
def test_a_reference_is_the_value_itself_and_within_a_text_its_text(text: str, value: Any) -> None:
    assert resolved({"a": [text]}, RECORDS, path_of=path_of) == {"a": [value]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${steps.other.output}", "has not run"),
        ("${steps.build.output.nothing}", "there is an object with path, files"),
        ("${steps.mute.output.path}", "printed nothing"),
        ("${steps.long.output}", "use output.path"),
        ("${steps.mute.output.a}", "is not JSON"),
        ("${steps.build.value.files.7}", "a list of 2"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(text: str, words: str) -> None:
    with pytest.raises(UnknownReference, match=words):
        resolved(text, RECORDS, path_of=path_of)


def test_secrets_stay_names_until_they_are_revealed() -> None:
    params = {"env": {"TOKEN": "${secret:TOKEN}", "AUTH": "Bearer ${secret:TOKEN}"}, "n": 1}

    kept = resolved(params, RECORDS, path_of=path_of)
    shown, used = revealed(kept, {"TOKEN": "s3cret", "OTHER": "x"})

    assert kept == params
    assert shown == {"env": {"TOKEN": "s3cret", "AUTH": "Bearer s3cret"}, "n": 1}
    assert used == ("s3cret",)
    with pytest.raises(UnknownReference, match="no secret"):
        revealed(params, {})


def test_a_secret_that_looks_like_a_reference_is_not_followed() -> None:
    assert revealed("${secret:A}", {"A": "${secret:B}", "B": "deep"}) == ("${secret:B}", ("${secret:B}",))


def test_two_dollars_stand_for_the_text_itself() -> None:
    text = "$${steps.build.output} and $${secret:A}"

    assert list(references_in(text)) == []
    assert revealed(resolved(text, RECORDS, path_of=path_of), {})[0] == "${steps.build.output} and ${secret:A}"


@given(json_values)
def test_what_refers_to_nothing_stays_as_it_is(value: Any) -> None:
    if not list(references_in(value)):
        assert revealed(resolved(value, {}, path_of=path_of), {}) == (value, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${steps.build.output.path}", ""),
        ("${secret:A_TOKEN}", ""),
        ("${secret:a token}", "a secret's name"),
        ("${steps.later.output}", "does not run before"),
        ("${steps.build}", "after the step's name"),
        ("${steps.build.stdout}", "after the step's name"),
        ("${steps.build.exit_code.x}", "has no parts"),
    ],
)
def test_a_reference_is_judged_before_anything_runs(text: str, words: str) -> None:
    (reference,) = references_in({"a/b": [text]})

    trouble = trouble_with(reference, earlier=["build"])

    assert reference.pointer == "/a~1b/0"
    assert reference.alone
    assert (words in trouble) if words else not trouble
