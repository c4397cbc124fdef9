"""Where a board lives: the home folder, how it was found, and every path below it."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dreamos_tasks.config.variables import HOME_VARIABLE
from dreamos_tasks.errors import ConfigError
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.config.settings import BoardSettings, InboxSettings

APP_NAME = "dreamos-tasks"
CONFIG_NAME = "config.yaml"
FOLDER_NAME = ".dreamos"
MARK = "dreamos_tasks: 1"

FoundBy = Literal["--home", "DREAMOS_TASKS_HOME", "config.yaml", ".dreamos", "user"]

# Compiled by `re` when it is first needed: a home that is named is not looked for.
_MARK_PATTERN = rb"""(["']?)dreamos_tasks\1[ \t]*:[ \t]+(["']?)([^\s#"']*)\2[ \t]*(?:#.*)?\r?\n?"""
_FIRST_KEY_WITHIN_BYTES = 65_536  # comments may stand above it


@frozen_value
class Home:
    """A board's folder. It need not exist yet; nothing here touches the disk."""

    path: Path  # absolute
    found_by: FoundBy

    @property
    def config(self) -> Path:
        """The board's own settings; may be missing."""
        return self.path / CONFIG_NAME

    @property
    def runtime(self) -> Path:
        """What a running board keeps."""
        return self.path / "runtime"

    @property
    def outbox(self) -> Path:
        """Results of the tasks that came through the inbox."""
        return self.runtime / "outbox"

    @property
    def mailboxes(self) -> Path:
        """`<agent>/inbox/` below it: the mail of agents, as files."""
        return self.runtime / "agent_mailboxes"

    @property
    def episodes(self) -> Path:
        """`<episode>/completion_log.md` below it."""
        return self.runtime / "episodes"

    @property
    def runs(self) -> Path:
        """`<task>/<token>/` below it: the outputs of steps."""
        return self.runtime / "runs"

    @property
    def logs(self) -> Path:
        """The daemon's log."""
        return self.runtime / "logs"

    @property
    def daemon_file(self) -> Path:
        """Who the daemon is: pid, start time, endpoints."""
        return self.runtime / "daemon.json"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon as long as it lives."""
        return self.runtime / "daemon.lock"

    @property
    def doorbell(self) -> Path:
        """The datagram socket that is rung after a commit. The path may be longer than a socket's name can be (107 bytes)."""
        return self.runtime / "doorbell.sock"

    @property
    def status_socket(self) -> Path:
        """Where the daemon answers with its report. As long as the doorbell's path may be."""
        return self.runtime / "status.sock"

    @property
    def operator_token(self) -> Path:
        """The token of whoever owns this home, for the HTTP interface: its owner alone may read it."""
        return self.runtime / "token"

    @property
    def tokens(self) -> Path:
        """What is known of the tokens that were given out: their hashes."""
        return self.runtime / "tokens.json"

    @property
    def settings_cache(self) -> Path:
        """The settings as last validated."""
        return self.runtime / ".settings.json"

    def below(self, path: str) -> Path:
        """A path of the settings: absolute, from the user's folder (`~/...`), or from the home on."""
        return Path(os.path.normpath(self.path / os.path.expanduser(path)))

    def board(self, board: BoardSettings) -> Path:
        """The board's file. A board with `store: postgres` has none: then this is where the file would be."""
        if board.path is not None:
            return self.below(board.path)
        return self.runtime / ("nexus.json" if board.store == "json" else "nexus.db")

    def board_lock(self, board: BoardSettings) -> Path:
        """The lock beside the board's file."""
        file = self.board(board)
        return file.with_name(file.name + ".lock")

    def inbox(self, inbox: InboxSettings) -> Path:
        """The folder that files are dropped into."""
        return self.below(inbox.path)


def find_home(
    given: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Home:
    """The home: `given` (from --home) > DREAMOS_TASKS_HOME > the nearest folder from `start` upwards > the user's own.

    `start` is the current folder unless given. Raises ConfigError when the place named is no folder, when the mark that
    was found is another release's, or when another user may have put it there.
    """
    environ = os.environ if environ is None else environ
    if given is not None:
        return Home(path=_folder(os.fspath(given), named_by="--home"), found_by="--home")
    if environ.get(HOME_VARIABLE):
        return Home(path=_folder(environ[HOME_VARIABLE], named_by=HOME_VARIABLE), found_by="DREAMOS_TASKS_HOME")
    for folder in _upwards(start):
        if _is_marked(folder / CONFIG_NAME):
            return Home(path=folder, found_by="config.yaml")
        below = folder / FOLDER_NAME
        if _is_marked(below / CONFIG_NAME) or _is_own_folder(below / "runtime"):
            return Home(path=below, found_by=".dreamos")
    return Home(path=_xdg_folder("XDG_DATA_HOME", environ) / APP_NAME, found_by="user")


def user_config(environ: Mapping[str, str]) -> Path:
    """The user's own settings, for all boards; may be missing."""
    return _xdg_folder("XDG_CONFIG_HOME", environ) / APP_NAME / CONFIG_NAME


def _folder(name: str, *, named_by: str) -> Path:
    if not name.strip():
        raise ConfigError(f"{named_by} is empty", cause="it names the folder of a board", fix=f"leave {named_by} out")
    path = Path(os.path.abspath(os.path.expanduser(name)))
    if path.exists() and not path.is_dir():
        raise ConfigError(
            f"{path} is not a folder",
            cause=f"{named_by} names the folder of a board, which holds {CONFIG_NAME} and runtime/",
            fix=f"name its folder: {path.parent}",
        )
    return path


def _upwards(start: Path | None) -> Iterator[Path]:
    try:
        here = Path.cwd() if start is None else Path(os.path.abspath(start))
    except FileNotFoundError:
        raise ConfigError(
            "the current folder no longer exists",
            cause="the board is looked for from there upwards",
            fix="cd to a folder that exists, or name the board with --home DIR",
        ) from None
    yield here
    yield from here.parents


def _is_marked(config: Path) -> bool:
    """Whether this is a config.yaml whose first key is `dreamos_tasks: 1`. Reads no more than that line, and needs no YAML."""
    try:
        with open(os.open(config, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return False
            release = _first_key_release(file.read(_FIRST_KEY_WITHIN_BYTES))
    except OSError:  # not there, or not ours to read: no board of ours
        return False
    if release is None:
        return False
    if release != b"1":
        raise ConfigError(
            f"{config}: dreamos_tasks is {release.decode(errors='replace')!r}; this release reads {MARK!r}",
            cause="a newer dreamos-tasks wrote it, or the number is a slip",
            fix=f"upgrade dreamos-tasks, or write {MARK!r} as its first key",
        )
    _check_owner(config, status.st_uid)
    return True


def _is_own_folder(path: Path) -> bool:
    """Whether a folder is there, and nobody else put it there."""
    try:
        status = path.stat()
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        return False
    _check_owner(path, status.st_uid)
    return True


def _first_key_release(head: bytes) -> bytes | None:
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
        text = line.strip()
        if text and not text.startswith((b"#", b"%")) and text != b"---":
            found = re.fullmatch(_MARK_PATTERN, line)
            return found[3] if found else None
    return None


def _check_owner(mark: Path, owner: int) -> None:
    """Refuse a board that somebody else may have put above the current folder, in /tmp for example, to have it used."""
    me = os.geteuid()
    if owner in (0, me):
        return
    if me == 0 and not mark.parent.stat().st_mode & stat.S_IWOTH:
        return  # root at work in a user's checkout
    raise ConfigError(
        f"{mark} belongs to another user (uid {owner})",
        cause="a board found above the current folder is used without asking, so it has to be your own",
        fix=f"if you trust it: --home {mark.parent}, or export {HOME_VARIABLE}={mark.parent}",
    )


def _xdg_folder(variable: Literal["XDG_CONFIG_HOME", "XDG_DATA_HOME"], environ: Mapping[str, str]) -> Path:
    """The user's folder for settings or for data.

    On Linux this is what platformdirs says (a test holds it to that) without its import, which every command would pay.
    """
    if os.path.isabs(named := environ.get(variable, "")):
        return Path(named)
    if sys.platform != "linux":
        import platformdirs

        is_config = variable == "XDG_CONFIG_HOME"
        return platformdirs.user_config_path() if is_config else platformdirs.user_data_path()
    home = environ.get("HOME") or os.path.expanduser("~")
    return Path(os.path.abspath(home)) / (".config" if variable == "XDG_CONFIG_HOME" else ".local/share")
