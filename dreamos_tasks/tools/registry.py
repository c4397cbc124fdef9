"""ToolRegistry: tools by name; those of other packages are found by their entry points, and loaded when first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from dreamos_tasks.errors import ConfigError, ToolNotFound
from dreamos_tasks.protocols import ToolAdapter

ENTRY_POINT_GROUP = "dreamos_tasks.tools"
OWED = ("params_schema", "validate", "estimate", "health", "execute")


class ToolRegistry:
    """Tools by name. One given here goes before one of the same name in another package.

    Another package offers a tool in its pyproject.toml; what it names is called without arguments and gives a ToolAdapter:

        [project.entry-points."dreamos_tasks.tools"]
        weather = "weather_tools:WeatherTool"
    """

    def __init__(
        self, tools: Iterable[ToolAdapter], *, made_when_needed: Mapping[str, Callable[[], ToolAdapter]] | None = None
    ) -> None:
        """`made_when_needed`: by name, how to make a tool that is asked for; it may raise ConfigError."""
        self._tools = {tool.name: tool for tool in tools}
        self._makers = dict(made_when_needed or {})

    def get(self, name: str) -> ToolAdapter:
        """The tool. Raises ToolNotFound, with the nearest name; ConfigError when another package's tool cannot be loaded."""
        tool = self._tools.get(name)
        if tool is None:
            make = self._makers.get(name)
            tool = self._tools[name] = make() if make is not None else self._load(name)
        return tool

    def names(self) -> Sequence[str]:
        """All of them, in alphabetical order; those of other packages need not have been loaded."""
        return sorted({*self._tools, *self._makers, *self._offered})

    @cached_property
    def _offered(self) -> Mapping[str, Sequence[EntryPoint]]:
        offered: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=ENTRY_POINT_GROUP):
            offered.setdefault(point.name, []).append(point)
        return offered

    def _load(self, name: str) -> ToolAdapter:
        offers = self._offered.get(name, ())
        if not offers:
            near = tuple(get_close_matches(name, self.names(), n=3))
            raise ToolNotFound(name, nearest=near, known=tuple(self.names()))
        if len({point.value for point in offers}) > 1:
            raise ConfigError(
                f"several packages offer a tool {name!r}: " + ", ".join(map(_package_of, offers)),
                fix="uninstall all but one of them",
            )
        return _made(offers[0])


def _made(point: EntryPoint) -> ToolAdapter:
    package = _package_of(point)
    try:
        tool = point.load()()
    except Exception as error:  # another package's code may raise anything
        raise ConfigError(
            f"the tool {point.name!r} of {package} cannot be loaded: {error}",
            cause=f"{point.value} raised {type(error).__name__}",
            fix=f"mend, upgrade or uninstall {package}",
        ) from error
    missing = [verb for verb in OWED if not callable(getattr(tool, verb, None))]
    if missing or getattr(tool, "name", None) != point.name:
        lacks = ", ".join(missing) or f"the name {point.name!r}"
        raise ConfigError(
            f"the tool {point.name!r} of {package} is no ToolAdapter: it lacks {lacks}",
            cause=f"{point.value} gave {tool!r}",
            fix=f"mend, upgrade or uninstall {package}",
        )
    found: ToolAdapter = tool
    return found


def _package_of(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]
