"""llms.txt is true: it is what the verb table gives, in the form of llmstxt.org, and its links lead somewhere."""

from __future__ import annotations

import re

from dreamos_tasks.interfaces.cli.llms_text import llms_text
from dreamos_tasks.interfaces.cli.topics import topic_text
from dreamos_tasks.interfaces.cli.verb_table import VERBS
from dreamos_tasks.model.token_estimate import estimated_tokens
from tests.command import ROOT

FILE = ROOT / "llms.txt"
MOST_TOKENS = 4000  # a page, as the convention wants it


def test_the_file_is_what_the_verb_table_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == llms_text(), "write it anew: dt help llms > llms.txt"
    assert topic_text("llms") == llms_text()


def test_it_has_the_form_of_the_convention() -> None:
    lines = llms_text().splitlines()
    headings = [line for line in lines if line.startswith("#")]

    assert (headings[0], lines[0], lines[2][:2]) == ("# dreamos-tasks", headings[0], "> ")
    assert headings[1:] == ["## Docs", "## Optional"], "what stands before the lists of links has no headings"
    links = lines[lines.index("## Docs") :]
    assert all(re.fullmatch(r"- \[[^]]+]\([^)]+\): .+", line) for line in links if line and not line.startswith("##"))
    assert estimated_tokens(llms_text()) < MOST_TOKENS


def test_its_links_lead_to_pages_and_all_verbs_are_in_it() -> None:
    text = llms_text()

    assert [path for path in re.findall(r"]\(([^)]+)\)", text) if not (ROOT / path).is_file()] == []
    assert [verb for verb in VERBS if f"`dt {verb}`:" not in text] == []
