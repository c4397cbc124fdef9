"""The estimate of tokens is never below what is known of real vocabularies, and not absurdly above."""

from __future__ import annotations

import pytest

from dreamos_tasks.model.token_estimate import estimated_tokens

# What the vocabulary cl100k, which is in wide use, takes for them.
KNOWN = [
    ("", 0),
    ("Hello, world!", 4),
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("    return None\n", 4),
]


@pytest.mark.parametrize(("text", "tokens"), KNOWN)
def test_it_is_not_below_what_a_model_takes(text: str, tokens: int) -> None:
    assert tokens <= estimated_tokens(text) <= 2 * tokens + 4


def test_ids_paths_and_other_scripts_are_dearer_than_words() -> None:
    assert estimated_tokens("dt-7k2m") > estimated_tokens("command")
    assert estimated_tokens("解析器") >= 3
    assert estimated_tokens("a" * 400) == 100
