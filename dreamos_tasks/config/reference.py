"""config.yaml as it stands at the top of the project: every setting with its default, unit and reason.

`python -m dreamos_tasks.config.reference > config.yaml` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from textwrap import wrap

from dreamos_tasks.config.catalogue import ANY_NAME, SectionInfo, SettingInfo, as_yaml, sections
from dreamos_tasks.config.home import MARK

_WIDTH = 118
_HEAD = """\
# The reference of all settings: each with why it is there, what it may be, its unit and its default.
#
# A board reads the config.yaml of its home and, below it, the user's own, ~/.config/dreamos-tasks/config.yaml. Write
# only what you change. Environment variables go before both: DREAMOS_TASKS_CLAIMS__LEASE_SECONDS=2 sets
# claims.lease_seconds. `dt config show --origin` says where each value comes from, `dt config check` whether all are
# right.
"""
_TOOL_EXAMPLE = "shell"
_LEFT_OUT = frozenset({"server.port"})  # that it is set means something, be it to its default


def reference() -> str:
    """The text of the reference. Read as settings it gives exactly the defaults."""
    return "\n".join(
        (
            _HEAD,
            f"{MARK}  # the first key: it marks a board's home, and the form of this file\n",
            *_sections(),
        )
    )


def _sections() -> Iterator[str]:
    for section in sections():
        example = any(ANY_NAME in setting.key for setting in section.settings)
        yield "\n".join((f"# {section.about}", f"{section.key}:", *_lines(section, mark="# " if example else ""), ""))


def _lines(section: SectionInfo, *, mark: str) -> Iterator[str]:
    """The settings of a section; behind `mark` when they are an example only."""
    open_keys: tuple[str, ...] = (section.key,)
    for setting in section.settings:
        *above, name = setting.key.replace(ANY_NAME, _TOOL_EXAMPLE).split(".")
        for depth in range(1, len(above)):
            if open_keys[: depth + 1] != tuple(above[: depth + 1]):
                yield f"{mark}{'  ' * depth}{above[depth]}:"
        open_keys = tuple(above)
        indent = mark + "  " * len(above)
        yield from wrap(_comment(setting), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        yield from _assignment(name, setting.default, f"{indent}# " if setting.key in _LEFT_OUT else indent)


def _comment(setting: SettingInfo) -> str:
    unit = f", in {setting.unit}" if setting.unit else ""
    return f"{_sentence(setting.why)}. {_sentence(setting.expected)}{unit}."


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _assignment(name: str, value: object, indent: str) -> Iterator[str]:
    line = f"{indent}{name}: {as_yaml(value)}"
    if len(line) <= _WIDTH or not isinstance(value, tuple):
        yield line
        return
    yield f"{indent}{name}:"
    for item in value:
        yield f"{indent}  - {as_yaml(item)}"


if __name__ == "__main__":
    sys.stdout.write(reference())
