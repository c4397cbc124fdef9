"""Builds the tools of this program from Settings. Each is made when a step first names it: few boards use them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from dreamos_tasks.app.call_checks import standing
from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.board.clock import SteadyClock
from dreamos_tasks.config.cache import settings_for
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.secrets import read_secrets
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import ConfigError
from dreamos_tasks.model.references import UnknownReference, may_refer, revealed
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool

Options = TypeVar("Options")
SEARCH_CACHE = "cache/web_search"  # below runtime


def home_id(home: Home) -> str:
    """What marks processes as started for this home."""
    return str(home.path)


def children_of(home: Home, *, instance: str) -> Children:
    """What runs commands for this home. `instance` marks what is started as this process's."""
    return Children(home_id=home_id(home), instance=instance)


def build_tools(children: Children, *, home: Home, settings: Settings) -> ToolRegistry:
    """The tools of this program and of other packages."""
    shop = ToolShop(children, home, settings)
    return ToolRegistry((ShellTool(shop.children),), made_when_needed=shop.makers())


def tools_to_ask(home: Home) -> ToolRegistry:
    """The same, for those who only ask what a tool would take, and never call it. Raises ConfigError."""
    return build_tools(children_of(home, instance=""), home=home, settings=settings_for(home))


class ToolShop:
    """Makes tools, each with its options. Raises ConfigError when these are wrong."""

    def __init__(self, children: Children, home: Home, settings: Settings) -> None:
        self.children = children
        self._home = home
        self._settings = settings

    def makers(self) -> Mapping[str, Callable[[], ToolAdapter]]:
        """How to make each tool, by its name."""
        return {
            "browser": self._browser,
            "files": self._files,
            "http": self._http,
            "message": self._message,
            "python": self._python,
            "web_search": self._web_search,
        }

    def _daemon_address(self) -> str:
        """Where the daemon itself listens: as it says, or as it would."""
        card = running_daemon(self._home.daemon_file)
        url = card.endpoints.get("http", "") if card is not None else ""
        server = self._settings.server
        return url.partition("://")[2] or f"{server.host}:{server.port}"

    def _browser(self) -> ToolAdapter:
        from dreamos_tasks.tools.browser import BrowserOptions, BrowserTool

        return BrowserTool(
            self.children, replace(self._options("browser", BrowserOptions), daemon_address=self._daemon_address())
        )

    def _files(self) -> ToolAdapter:
        from dreamos_tasks.tools.files import FilesOptions, FilesTool

        return FilesTool(self.children, self._options("files", FilesOptions), closed=self._closed)

    def _http(self) -> ToolAdapter:
        from dreamos_tasks.tools.http import HttpOptions, HttpTool

        options = replace(self._options("http", HttpOptions), daemon_address=self._daemon_address())
        return HttpTool(options, now=SteadyClock().now, closed=self._closed)

    def _message(self) -> ToolAdapter:
        from dreamos_tasks.tools.message import MessageOptions, MessageTool

        options = replace(self._options("message", MessageOptions), daemon_address=self._daemon_address())
        return MessageTool(self.children, options, board_id=home_id(self._home))

    def _python(self) -> ToolAdapter:
        from dreamos_tasks.tools.python_call import PythonOptions, PythonTool

        return PythonTool(self.children, options=self._options("python", PythonOptions))

    def _web_search(self) -> ToolAdapter:
        from dreamos_tasks.tools.web_search import WebSearchOptions, WebSearchTool

        options = self._options("web_search", WebSearchOptions)
        if not options.cache_folder:
            options = replace(options, cache_folder=str(self._home.runtime / SEARCH_CACHE))
        return WebSearchTool(options, now=SteadyClock().now)

    @property
    def _closed(self) -> Sequence[Path]:
        """What no tool changes in a workspace, which may be the board's home."""
        return (self._home.runtime, self._home.config, self._secrets_file)

    @property
    def _secrets_file(self) -> Path:
        return self._home.path / self._settings.secrets.path

    def _options(self, name: str, kind: type[Options]) -> Options:
        """The options of a tool, with secrets in the place of their names. Raises ConfigError."""
        from dreamos_tasks.tools.params import Params

        given: Mapping[str, Any] = self._settings.tool(name).options or {}
        for key in given.keys() - _names(kind):
            near = get_close_matches(key, _names(kind), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_names(kind))}"
            raise ConfigError(f"tools.{name}.options has no {key!r}; {hint}", fix=f"correct or remove {key}")
        params = Params(kind)
        problems = tuple(standing(params.problems(given), given))
        if problems:
            said = "; ".join(f"tools.{name}.options{problem.pointer}: {problem.message}" for problem in problems)
            raise ConfigError(f"the options of the tool {name!r} are wrong: {said}", fix=problems[0].fix)
        if may_refer(given):
            given = self._revealed(name, given)
            if unfit := params.problems(given):  # what is wrong with them would show the secrets
                where = ", ".join(f"tools.{name}.options{problem.pointer}" for problem in unfit)
                raise ConfigError(f"a secret does not fit where it is named: {where}", fix=f"see {self._secrets_file}")
        return params.read(given)

    def _revealed(self, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = revealed(options, read_secrets(self._secrets_file))[0]
        except UnknownReference as error:
            fix = f"add it to {self._secrets_file}"
            raise ConfigError(f"the options of the tool {name!r} name a secret", cause=str(error), fix=fix) from None
        return found


def _names(kind: Any) -> Sequence[str]:
    """The options that may be written; where the daemon listens is not said twice."""
    return [field.name for field in fields(kind) if field.name != "daemon_address"]
