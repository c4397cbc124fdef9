"""UnitFile: the unit on disk. Knows ours from a stranger's, and never touches a stranger's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.errors import DreamosError, Refused
from dreamos_tasks.interfaces.systemd.unit import MARK, UNIT_NAME, Scope
from dreamos_tasks.whole_file import replace_with, sync_folder, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNIT_MODE = 0o644  # systemd warns of unit files that others cannot read; there is no secret in it
WANTED_BY = ("multi-user.target", "default.target")


def unit_directory(scope: Scope, *, environ: Mapping[str, str] = os.environ) -> Path:
    """Where systemd looks for units that an administrator, or a user, wrote."""
    if scope is Scope.SYSTEM:
        return Path("/etc/systemd/system")
    config_home = environ.get("XDG_CONFIG_HOME", "")
    base = Path(config_home) if config_home.startswith("/") else Path.home() / ".config"
    return base / "systemd" / "user"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """`dreamos-tasks.service` in one folder."""

    directory: Path

    @property
    def path(self) -> Path:
        """Where it is, whether it exists or not."""
        return self.directory / UNIT_NAME

    def exists(self) -> bool:
        """Whether anything has the name, a dangling link too."""
        return os.path.lexists(self.path)

    def is_ours(self) -> bool:
        """Whether `dreamos-tasks service install` wrote it."""
        return not self.path.is_symlink() and (self._text() or "").startswith(MARK + "\n")

    def refuse_foreign(self) -> None:
        """Raise Refused when somebody else's file has the name."""
        if not self.exists() or self.is_ours():
            return
        if self.path.is_symlink():
            cause = f"it is a link to {self.path.readlink()}; systemctl mask and systemctl link make such links"
        else:
            cause = f"its first line is not {MARK!r}"
        raise Refused(
            f"{self.path} is not ours, so it is left as it is",
            cause=cause,
            fix=f"look at it, and if nobody needs it: rm {self.path}",
        )

    def write(self, text: str) -> bool:
        """Make the file hold `text`, at once or not at all. Gives whether it had to be changed."""
        self.refuse_foreign()
        if self._text() == text:
            return False
        with self._explained("write"):
            self.directory.mkdir(parents=True, exist_ok=True)
            beside = self.directory / f".{UNIT_NAME}.{os.getpid()}.part"
            write_beside(beside, [text.encode("utf-8")], exact_mode=UNIT_MODE)
            replace_with(beside, self.path)
            sync_folder(self.directory)
        return True

    def remove(self) -> tuple[Path, ...]:
        """Remove it, and the links by which it was enabled if systemd has not. Gives what was removed."""
        self.refuse_foreign()
        links = (self.directory / f"{target}.wants" / UNIT_NAME for target in WANTED_BY)
        files = tuple(file for file in (*links, self.path) if os.path.lexists(file))
        with self._explained("remove"):
            for file in files:
                file.unlink(missing_ok=True)
            if files:
                sync_folder(self.directory)
        return files

    def _text(self) -> str | None:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise Refused(
                f"may not {verb} {self.path}",
                cause=str(error),
                fix="run the same command with sudo, or use --user for a service of your own",
            ) from error
        except OSError as error:
            raise DreamosError(f"cannot {verb} {self.path}", cause=str(error)) from error
