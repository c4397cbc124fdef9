"""Call: one call of the command. Where its board is, who acts, and how it answers."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from dreamos_tasks.config.variables import AGENT_VARIABLE
from dreamos_tasks.errors import AgentNotNamed, BoardGone
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.streams import read_stdin

if TYPE_CHECKING:
    from dreamos_tasks.board.doorbell import Doorbell
    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings

SOMEBODY = "cli"  # who acts when no agent is named
NAMED = ("--home", "DREAMOS_TASKS_HOME")  # how a home is found that somebody has written out


class Call:
    """What every verb is handed. The board is opened when it is first asked for, and closed by `close`."""

    def __init__(self) -> None:
        self.home_option: str | None = None
        self.debug = False
        self.out = Output()
        self.exit_code = 0
        self.makes_board = False  # the verb puts something on a board, which is made if there is none
        self._doorbell: Doorbell | None = None

    @cached_property
    def home(self) -> Home:
        """Where the board lives. Raises ConfigError."""
        from dreamos_tasks.config.home import find_home

        return find_home(self.home_option)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the board. Raises ConfigError."""
        from dreamos_tasks.config.cache import settings_for

        return settings_for(self.home)

    @cached_property
    def nexus(self) -> TaskNexus:
        """The board. Raises BoardUnavailable kinds.

        It is made if this is its first use: by verbs that put something on it, and in the user's own place. A place that was
        named and holds none may be a slip: only looked at, it would pass for an empty board.
        """
        from dreamos_tasks.app.boards import open_board
        from dreamos_tasks.board.doorbell import Doorbell

        if not self.makes_board:
            self.require_board()
        elif not self._is_there():
            self.out.note(f"made a board in {self.home.path}")

        bell = self._doorbell = Doorbell(self.home.doorbell)
        return open_board(self.home, self.settings, ring=bell.ring)

    def require_board(self) -> None:
        """Refuse a place that was named and holds no board. Raises BoardGone."""
        if self.home.found_by in NAMED and not self._is_there():
            raise self._no_board()

    def _is_there(self) -> bool:
        """Whether there is a board, or was one: then its loss is told."""
        board = self.settings.board
        return os.path.exists(self.home.board(board)) or os.path.exists(self.home.board_lock(board))

    def _no_board(self) -> BoardGone:
        import shlex

        home = self.home
        there = "there is no such folder" if not os.path.isdir(home.path) else f"{home.path} holds none"
        dt = "dt" if self.home_option is None else f"dt --home {shlex.quote(self.home_option)}"
        return BoardGone(
            f"there is no board at {home.board(self.settings.board)}",
            cause=f"{there}, and {home.found_by} names it",
            fix=f"if that is the place you mean: {dt} init",
        )

    def agent_or_none(self, given: str | None) -> str | None:
        """The agent that was named: `--agent`, else DREAMOS_TASKS_AGENT."""
        named = given if given is not None else os.environ.get(AGENT_VARIABLE) or None
        if named is None:
            return None
        from dreamos_tasks.model.task import check_name  # with the model: what needs no agent need not wait for it

        return check_name(named, what="an agent's name")

    def agent(self, given: str | None, *, verb: str) -> str:
        """The agent that acts. Raises AgentNotNamed."""
        named = self.agent_or_none(given)
        if named is None:
            raise AgentNotNamed(verb)
        return named

    def actor(self, given: str | None) -> str:
        """Who did it, for the record: the agent, or `cli`."""
        return self.agent_or_none(given) or SOMEBODY

    def close(self) -> None:
        """Close the board, if it was opened. May be called twice."""
        if "nexus" in self.__dict__:
            self.nexus.close()
        if self._doorbell is not None:
            self._doorbell.close()

    def read_stdin(self) -> str:
        """All of stdin, as text. Raises InvalidInput."""
        return read_stdin()
