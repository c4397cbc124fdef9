"""Values are to everyone what frozen dataclasses with slots are, at a fraction of the cost."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dreamos_tasks.model.task import Task, TaskDraft
from dreamos_tasks.model.value import WORTH_COMPILING, filler_of, frozen_value
from tests.fakes import at


@frozen_value
class Point:
    """A value as the model has them."""

    x: int
    y: int = 0
    marks: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default="", repr=False)

    @property
    def sum(self) -> int:
        return self.x + self.y


@frozen_value
class Checked(Point):
    """A value with a rule, and one field more than the value it extends."""

    x: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"point {self.x}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """What Point would be without `frozen_value`."""

    x: int
    y: int = 0
    marks: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default="", repr=False)


def fresh() -> Any:
    """A class of which no value was made yet."""

    @frozen_value
    class Fresh:
        x: int
        y: int = 0
        marks: Mapping[str, Any] = field(default_factory=dict)
        sum: int = 0

        def __post_init__(self) -> None:
            object.__setattr__(self, "sum", self.x + self.y)

    return Fresh


def test_the_first_value_is_made_as_all_later_ones_are() -> None:
    make = fresh()
    for _ in range(WORTH_COMPILING + 2):
        value = make(x=1)
        assert (value.x, value.y, value.marks, value.sum) == (1, 0, {}, 1)
        assert value.marks is not make(x=1).marks
        assert make(y=2, x=1, marks={"a": 1}).marks == {"a": 1}


@pytest.mark.parametrize("given", [{}, {"x": 1, "z": 2}, {"y": 1}, {"z": 1}])
def test_a_field_that_is_missing_or_unknown_is_an_error_from_the_first_value_on(given: dict[str, int]) -> None:
    make = fresh()
    with pytest.raises(TypeError) as first:
        make(**given)
    with pytest.raises(TypeError):
        make(1)
    for _ in range(WORTH_COMPILING):
        make(x=1)
    with pytest.raises(TypeError) as later:
        make(**given)
    assert str(first.value) == str(later.value)


def test_an_extended_value_has_all_fields_and_holds_its_own_rule() -> None:
    assert [each.name for each in fields(Checked)] == ["x", "y", "marks", "secret", "name"]
    assert Checked().name == "point 1"
    assert Checked(x=7, y=2, name="n") == Checked(x=7, y=2, name="n")
    assert replace(Checked(x=3), name="").name == "point 3"


def test_a_value_cannot_be_changed() -> None:
    point = Point(x=1)
    for name in ("x", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(point, name, 2)
        with pytest.raises(FrozenInstanceError):
            delattr(point, name)
    assert point.x == 1
    assert not hasattr(point, "__dict__")


@given(st.builds(Point), st.builds(Point))
def test_values_compare_hash_and_show_as_dataclasses_do(one: Point, other: Point) -> None:
    plain: Any = Plain(**asdict(one))
    plain_other = Plain(**asdict(other))
    assert (one == other) == (plain == plain_other)
    assert (one == replace(one)) == (plain == replace(plain))
    assert repr(one) == repr(plain).replace("Plain", "Point")
    assert one != plain


def test_values_of_what_can_be_hashed_are_keys() -> None:
    assert len({Point(x=1, marks=()), Point(x=1, marks=()), Point(x=2, marks=())}) == 2  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        hash(Point(x=1))


def test_what_is_no_number_is_equal_to_itself_only() -> None:
    nothing = float("nan")
    assert Point(x=nothing) == Point(x=nothing)  # type: ignore[arg-type]
    assert Point(x=nothing) != Point(x=float("nan"))  # type: ignore[arg-type]


@given(st.builds(Checked))
def test_values_survive_copying_and_pickling(value: Checked) -> None:
    name = "x"
    for copied in (copy.copy(value), copy.deepcopy(value), replace(value), pickle.loads(pickle.dumps(value))):
        assert copied == value
        assert copied.__class__ is Checked
        with pytest.raises(FrozenInstanceError):
            setattr(copied, name, 2)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with Python 3.13")
def test_copy_can_replace_fields() -> None:
    assert copy.replace(Checked(x=3), name="") == Checked(x=3)  # type: ignore[attr-defined,unused-ignore]


def test_the_fields_are_those_that_dataclass_would_make() -> None:
    for ours, plain in zip(fields(Point), fields(Plain), strict=True):
        for word in ("name", "type", "default", "default_factory", "repr", "init", "kw_only", "metadata"):
            assert getattr(ours, word) == getattr(plain, word)
    assert is_dataclass(Point)
    assert Point.__slots__ == Plain.__slots__  # type: ignore[attr-defined]
    assert not vars(Checked)["__slots__"][1:]  # only what is new


def test_the_parameters_are_known_before_the_first_value_is_made() -> None:
    @frozen_value
    class Fresh:
        x: int
        y: str = "default"

    assert str(inspect.signature(Fresh)) == "(*, x: 'int', y: 'str' = 'default') -> None"
    assert get_type_hints(Fresh.__init__) == {"x": int, "y": str, "return": type(None)}
    assert Fresh.__init__.__qualname__.endswith("Fresh.__init__")


def test_pydantic_validates_values() -> None:
    adapter = TypeAdapter(Checked)
    assert adapter.validate_python({"x": "5", "marks": {"a": 1}}) == Checked(x=5, marks={"a": 1})
    assert adapter.json_schema()["properties"].keys() == {"x", "y", "marks", "secret", "name"}
    assert adapter.dump_python(Checked(x=5)) == asdict(Checked(x=5))
    with pytest.raises(ValidationError):
        adapter.validate_python({"x": "five"})


def test_a_value_of_many_fields_is_made_filled_and_guarded_as_any_other() -> None:
    task = Task(task_id="dt-1", title="t", created_at=at(0), updated_at=at(0))
    copied = filler_of(Task)([getattr(task, each.name) for each in fields(Task)])

    assert (type(task), copied, type(copied)) == (Task, task, Task)
    with pytest.raises(FrozenInstanceError):
        copied.title = "another"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del task.title


def test_a_class_below_a_value_of_many_fields_makes_values_of_its_own() -> None:
    class Mine(TaskDraft):
        __slots__ = ()

    assert type(Mine(title="t")) is Mine
    assert Mine(title="t").title == "t"


@pytest.mark.parametrize("count", [1, WORTH_COMPILING + 2])
def test_a_value_without_fields_is_one_too_however_many_are_made(count: int) -> None:
    @frozen_value
    class Nothing:
        """Says by its class alone what there is to say."""

    values = [Nothing() for _ in range(count)]

    assert set(values) == {Nothing()}
    with pytest.raises(TypeError):
        Nothing(more=1)  # type: ignore[call-arg]
