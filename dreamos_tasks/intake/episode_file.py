"""An episode's YAML file, read into its plan; or everything that is wrong with it, each at its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamos_tasks.config.document import read_document
from dreamos_tasks.config.layer import Layer
from dreamos_tasks.errors import InvalidInput, InvalidTask
from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import InvalidDrafts, nearest, pointer_to, shown
from dreamos_tasks.model.episode import Assignment, EpisodePlan, check_plan, drafts_of
from dreamos_tasks.model.task import Priority, priority_from

TEXTS = ("title", "theme", "north_star")
LISTS = ("core_objectives",)
EPISODE_KEYS = (*TEXTS, *LISTS, "definition_of_done", "agent_assignments")
ASSIGNMENT_KEYS = (
    *("task_id", "title", "description", "dependencies", "estimated_duration", "validation_criteria"),
    *("verify", "run", "priority"),
)
CHECK = "check"  # an entry {"check": "make test"} of the definition of done is a command
EXAMPLE = "agent_assignments: {Agent-1: {task_id: a-1, title: ...}}"


def read_episode(path: Path) -> EpisodePlan:
    """The plan of a file. Raises InvalidDrafts and other InvalidInput kinds; OSError when there is no file."""
    path.stat()
    layer = Layer()
    read_document(path, layer, of="episodes")
    if layer.problems:
        problem = layer.problems[0]
        raise InvalidInput(
            f"{path} cannot be read as an episode: {problem.what}",
            cause="; ".join(map(str, layer.problems)),
            fix=problem.fix,
        )
    return episode_plan(layer.data)


def episode_plan(value: Any) -> EpisodePlan:
    """The plan of a value, as the file's text gives it. Raises InvalidDrafts and other InvalidInput kinds."""
    if not isinstance(value, dict):
        raise InvalidInput("an episode is an object", cause=f"this is {shown(value)}", fix=EXAMPLE)
    plan = _Reader(value).plan()
    try:
        check_plan(plan)
        drafts_of(plan, episode_id="episode", by="check")
    except InvalidTask as error:
        raise InvalidInput(error.message, pointer=error.pointer, cause=error.cause, fix=error.fix) from error
    return plan


class _Reader:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._findings = Findings()

    def plan(self) -> EpisodePlan:
        data = self._data
        self._look_for_slips(data, EPISODE_KEYS, pointer="", of="an episode")
        texts, checks = self._definition_of_done(data.get("definition_of_done"))
        plan = EpisodePlan(
            **{name: self._text(data.get(name), pointer_to(name)) for name in TEXTS},
            core_objectives=self._texts(data.get("core_objectives"), "/core_objectives"),
            definition_of_done=texts,
            checks=checks,
            assignments=tuple(self._assignments(data.get("agent_assignments"))),
            extra={key: value for key, value in data.items() if key not in EPISODE_KEYS},
        )
        if self._findings.problems:
            raise InvalidDrafts(self._findings.problems, notices=self._findings.notices)
        return plan

    def _assignments(self, value: Any) -> Sequence[Assignment]:
        """`{Agent-1: {...}}`, or several of one agent's: `{Agent-1: [{...}, {...}]}`."""
        if value is None:
            return ()
        if not isinstance(value, dict):
            self._findings.refuse_type(
                "/agent_assignments", value, expected="agents and what each is to do", fix=EXAMPLE
            )
            return ()
        found = []
        for agent, given in value.items():
            for index, one in enumerate(given if isinstance(given, list) else [given]):
                pointer = pointer_to("agent_assignments", agent, *([index] if isinstance(given, list) else []))
                if isinstance(one, dict):
                    found.append(self._assignment(str(agent), one, pointer))
                else:
                    self._findings.refuse_type(pointer, one, expected="an assignment", fix=EXAMPLE)
        return found

    def _assignment(self, agent: str, form: Mapping[str, Any], pointer: str) -> Assignment:
        self._look_for_slips(form, ASSIGNMENT_KEYS, pointer=pointer, of="an assignment")
        title = self._text(form.get("title"), f"{pointer}/title")
        task_id = self._text(form.get("task_id"), f"{pointer}/task_id")
        for name, text in (("title", title), ("task_id", task_id)):
            if not text:
                self._findings.refuse(
                    f"{pointer}/{name}", f"an assignment needs a {name}", expected=f"a {name}", found="none"
                )
        return Assignment(
            agent_id=agent,
            task_id=task_id,
            title=title,
            description=self._text(form.get("description"), f"{pointer}/description"),
            needs=self._texts(form.get("dependencies"), f"{pointer}/dependencies"),
            estimated_duration=self._text(form.get("estimated_duration"), f"{pointer}/estimated_duration"),
            validation_criteria=self._texts(form.get("validation_criteria"), f"{pointer}/validation_criteria"),
            verify=self._texts(form.get("verify"), f"{pointer}/verify"),
            run=self._texts(form.get("run"), f"{pointer}/run"),
            priority=self._priority(form.get("priority"), f"{pointer}/priority"),
            extra={key: value for key, value in form.items() if key not in ASSIGNMENT_KEYS},
        )

    def _definition_of_done(self, value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What somebody has to judge, and the commands that have to pass."""
        entries = value if isinstance(value, list) else [] if value is None else [value]
        texts, checks = [], []
        for index, entry in enumerate(entries):
            pointer = pointer_to("definition_of_done", index)
            if isinstance(entry, dict):
                if set(entry) == {CHECK}:
                    checks.append(self._text(entry[CHECK], f"{pointer}/{CHECK}"))
                else:
                    self._findings.refuse_type(
                        pointer, entry, expected="a text, or a command", fix=f"- {CHECK}: make test"
                    )
            else:
                texts.append(self._text(entry, pointer))
        return tuple(texts), tuple(checks)

    def _text(self, value: Any, pointer: str) -> str:
        if value is None:
            return ""
        if isinstance(value, dict | list):
            self._findings.refuse_type(
                pointer, value, expected="a text", fix="write it on one line, or as a block with |"
            )
            return ""
        return str(value).strip()

    def _texts(self, value: Any, pointer: str) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [] if value is None else [value]
        found = (self._text(each, f"{pointer}/{index}") for index, each in enumerate(values))
        return tuple(text for text in found if text)

    def _priority(self, value: Any, pointer: str) -> Priority:
        if value is None:
            return Priority.MEDIUM
        try:
            return priority_from(value if isinstance(value, str | int) else shown(value))
        except InvalidTask as error:
            self._findings.refuse(pointer, error.message, expected=error.cause, found=shown(value), fix=error.fix)
            return Priority.MEDIUM

    def _look_for_slips(self, form: Mapping[str, Any], known: Sequence[str], *, pointer: str, of: str) -> None:
        """A key that is nearly one of ours is a slip of the hand; any other is kept."""
        for key in form.keys() - set(known):
            near = nearest(key, [name for name in known if name not in form])
            if near is not None:
                self._findings.refuse(
                    pointer + pointer_to(key),
                    f"{shown(key)} is no key of {of}; did you mean {near!r}?",
                    expected=near,
                    found=shown(key),
                    nearest_field=near,
                    fix=f"write {near}",
                )
