"""What HTTP and MCP take as a state or a category is what the model knows, and nothing else."""

from __future__ import annotations

from typing import get_args

from dreamos_tasks.interfaces.cli.options import STATES
from dreamos_tasks.interfaces.words import Category, State
from dreamos_tasks.model.plan import ErrorCategory


def test_the_states_are_those_of_the_command_line() -> None:
    assert sorted(get_args(State)) == sorted(STATES)


def test_the_categories_are_those_of_errors() -> None:
    assert sorted(get_args(Category)) == sorted(ErrorCategory)
