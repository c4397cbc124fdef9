"""What setup does to texts: an entry goes in, means what it should, and comes out again without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.app.setup import json_file, marked_file, toml_file
from dreamos_tasks.app.setup.json_file import Entry
from dreamos_tasks.app.setup.json_tree import read_tree
from dreamos_tasks.app.setup.marked_file import HASH, MARKDOWN
from dreamos_tasks.errors import InvalidInput

SERVER = Entry(path=("mcpServers", "dreamos-tasks"), value={"command": "dt", "args": ["mcp"]})
HOOK = Entry(
    path=("hooks", "SessionStart"),
    value={"hooks": [{"type": "command", "command": "dt prime --hook claude"}]},
    is_ours=lambda value: isinstance(value, dict) and "dt prime" in json.dumps(value),
)
TEXTS = {
    "empty object": "{}",
    "empty object with space": "{\n}\n",
    "two spaces": '{\n  "theme": "dark",\n  "mcpServers": {\n    "git": {\n      "command": "uvx"\n    }\n  }\n}\n',
    "four spaces": '{\n    "a": 1,\n    "mcpServers": {}\n}',
    "tabs": '{\n\t"hooks": {\n\t\t"SessionStart": []\n\t}\n}\n',
    "one line": '{"a":1,"mcpServers":{"git":{"command":"uvx"}},"hooks":{"Stop":[{"x":[]}]}}',
    "windows": '{\r\n  "a": [2.50],\r\n  "hooks": {\r\n    "SessionStart": [\r\n      {"hooks": []}\r\n    ]\r\n  }\r\n}\r\n',
    "comments": '// mine\n{\n  "a": "//no", // why\n  /* b */ "mcpServers": { "x": {}, },\n}\n',
    "odd strings": '{"q\\"}": "\\u00e9 {[,]}", "é": "\\\\"}\n',
}


@pytest.mark.parametrize("entry", [SERVER, HOOK], ids=["member", "element"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_entry_of_json_goes_in_once_and_comes_out_without_a_trace(text: str, entry: Entry) -> None:
    put_in = json_file.with_entry(text, entry)

    meaning: Any = read_tree(put_in).value
    for key in entry.path:
        meaning = meaning[key]
    assert entry.value in meaning if entry is HOOK else meaning == entry.value
    assert json_file.with_entry(put_in, entry) == put_in
    assert json_file.has_entry(put_in, entry)
    assert json_file.without_entry(put_in, entry) == text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_two_entries_of_one_file_come_out_in_either_order(text: str) -> None:
    both = json_file.with_entry(json_file.with_entry(text, SERVER), HOOK)

    for first, second in ((SERVER, HOOK), (HOOK, SERVER)):
        left = json_file.without_entry(both, first)
        assert left is not None
        assert json_file.without_entry(left, second) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(
    before=st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    servers=st.none() | st.dictionaries(st.text(max_size=4), VALUES, max_size=2),
    indent=st.sampled_from([None, 0, 1, 2, 4, "\t"]),
    end=st.sampled_from(["", "\n", "\n\n"]),
)
def test_whatever_json_it_is_it_comes_back_byte_for_byte(
    before: dict[str, Any], servers: dict[str, Any] | None, indent: int | str | None, end: str
) -> None:
    settings = before | ({} if servers is None else {"mcpServers": servers})
    text = json.dumps(settings, indent=indent, ensure_ascii=False) + end

    put_in = json_file.with_entry(text, SERVER)

    assert json.loads(put_in) == settings | {"mcpServers": (servers or {}) | {"dreamos-tasks": SERVER.value}}
    assert json_file.without_entry(put_in, SERVER) == text


def test_a_new_file_holds_the_entry_alone_and_is_gone_with_it() -> None:
    entry = Entry(path=HOOK.path, value=HOOK.value, is_ours=HOOK.is_ours, beside={"version": 1})

    text = json_file.with_entry(None, entry)

    assert json.loads(text) == {"version": 1, "hooks": {"SessionStart": [HOOK.value]}}
    assert json_file.without_entry(text, entry) is None
    assert json_file.without_entry(text.replace("1", "2"), entry) is not None, "somebody has changed it"


def test_an_entry_that_has_changed_is_replaced_and_its_neighbours_stay() -> None:
    text = json_file.with_entry(TEXTS["two spaces"], SERVER)
    other = Entry(path=SERVER.path, value={"command": "/opt/dt", "args": ["--home", "/b", "mcp"]})

    changed = json_file.with_entry(text, other)

    assert read_tree(changed).value["mcpServers"] == {"git": {"command": "uvx"}, "dreamos-tasks": other.value}
    assert json_file.without_entry(changed, other) == TEXTS["two spaces"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": }', "line 1, column 7"),
        ('{\n "a": 1\n "b": 2}', "line 3"),
        ('{"mcpServers": []}', "/mcpServers"),
        ("[]", "/"),
        ('{"a": 1, "a": 2}', "line 1"),
        ("[" * 200, "column 102"),
    ],
)
def test_what_is_no_settings_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        json_file.with_entry(text, SERVER)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_that_was_there_is_empty_again(text: str) -> None:
    entry = Entry(path=HOOK.path, value=HOOK.value, is_ours=HOOK.is_ours, beside={"version": 1})

    put_in = json_file.with_entry(json_file.with_entry(text, entry), SERVER)
    left = json_file.without_entry(put_in, entry)
    assert left is not None
    assert json_file.without_entry(left, SERVER) is not None
    assert json_file.without_entry(json_file.with_entry(text, entry), entry) == text
    assert json_file.without_entry(json_file.with_entry(text, SERVER), SERVER) == text


def test_a_new_text_holds_the_block_alone_and_is_gone_with_it() -> None:
    put_in = marked_file.with_block(None, "work", marks=MARKDOWN)

    assert put_in.startswith(MARKDOWN.begin)
    assert marked_file.without_block(put_in, marks=MARKDOWN) is None


@pytest.mark.parametrize("text", ["", "# Mine\n", "# Mine", "# Mine\r\nmore\r\n", "\n\n", "a\n\n\n"])
def test_a_block_goes_in_once_and_comes_out_without_a_trace(text: str) -> None:
    put_in = marked_file.with_block(text, "## Tasks\n\nwork\n", marks=MARKDOWN)

    assert "## Tasks" in put_in
    assert marked_file.with_block(put_in, "## Tasks\n\nwork\n", marks=MARKDOWN) == put_in
    newer = marked_file.with_block(put_in, "## Other", marks=MARKDOWN)
    assert ("## Tasks" in newer, newer.count("begin")) == (False, 1)
    assert marked_file.without_block(newer, marks=MARKDOWN) == text


def test_what_is_written_behind_a_block_stays() -> None:
    put_in = marked_file.with_block("# Mine\n", "work", marks=MARKDOWN) + "more\n"

    assert marked_file.without_block(put_in, marks=MARKDOWN) == "# Mine\nmore\n"


@pytest.mark.parametrize(
    "text", [f"{MARKDOWN.begin} -->\nmine", f"{MARKDOWN.end} -->\n", f"{MARKDOWN.begin} -->\n" * 2]
)
def test_marks_that_somebody_has_moved_are_left_alone(text: str) -> None:
    with pytest.raises(InvalidInput, match="marks"):
        marked_file.with_block(text, "work", marks=MARKDOWN)
    with pytest.raises(InvalidInput, match="marks"):
        marked_file.without_block(text, marks=MARKDOWN)


@pytest.mark.parametrize("text", ["", 'model = "o"  # mine\n', '[mcp_servers.git]\ncommand = "uvx"', "[[x]]\ny = 1\n"])
def test_a_table_goes_in_once_and_comes_out_without_a_trace(text: str) -> None:
    name, values = ("mcp_servers", "dreamos-tasks"), {"command": 'a "dt"', "args": ["--home", "/tmp/ü", "mcp"]}

    put_in = toml_file.with_table(text, name, values)

    assert toml_file.with_table(put_in, name, values) == put_in
    assert toml_file.has_table(put_in)
    assert toml_file.without_table(put_in) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = ", "no TOML"),
        ('[mcp_servers.dreamos-tasks]\ncommand = "mine"\n', "stands there already"),
        ('[mcp_servers]\ndreamos-tasks = {command = "mine"}\n', "stands there already"),
        ("mcp_servers = 1\n", "cannot be put"),
        ('mcp_servers = {git = {command = "uvx"}}\n', "cannot be put"),
        ("[[mcp_servers]]\na = 1\n", "cannot be put"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        toml_file.with_table(text, ("mcp_servers", "dreamos-tasks"), {"command": "dt"})
    assert HASH.begin not in text
