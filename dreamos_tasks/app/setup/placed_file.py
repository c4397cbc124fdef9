"""PlacedFile: a file below a folder that it may not lead out of, read as text, and replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dreamos_tasks.errors import InvalidInput, LeadsElsewhere, Refused
from dreamos_tasks.whole_file import replace_with, sync_folder, write_beside

MOST_BYTES = 16 * 1024 * 1024  # settings of a program that keeps its history in them, such as ~/.claude.json
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """`path` as it is named below `root`; `target` what it is, once links within the root are followed."""

    root: Path
    path: Path
    target: Path

    @classmethod
    def at(cls, root: Path, name: str) -> PlacedFile:
        """The file of this name below the root. Raises LeadsElsewhere, InvalidInput."""
        base, path = root.resolve(), root / name
        try:
            target = path.resolve()
        except RuntimeError:  # what Python before 3.13 says of links in a circle
            raise _no_file(path, "links lead in a circle") from None
        if not target.is_relative_to(base):
            raise LeadsElsewhere(
                f"{path} leads out of {root}",
                cause=f"it is {target}, by way of a link",
                fix="put a file in the place of the link, or write it there by hand",
            )
        return cls(root=base, path=path, target=target)

    def content(self) -> bytes | None:
        """What is in it; None when it is not there. Raises InvalidInput when it is no ordinary file."""
        try:
            fd = os.open(self.target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise _no_file(self.path, "what should be a folder on the way to it is a file") from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise _no_file(self.path, "links lead in a circle") from None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            os.close(fd)
            raise InvalidInput(f"{self.path} is no ordinary file, or larger than {MOST_BYTES} bytes")
        with open(fd, "rb") as file:
            return file.read()

    def text(self) -> str:
        """The same as text, "" when it is not there. Raises InvalidInput when it is not UTF-8."""
        try:
            return (self.content() or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{self.path} is not UTF-8", cause=str(error), fix="write it as UTF-8") from None

    def put(self, before: bytes | None, after: bytes | None, *, private: bool) -> None:
        """Put `after` in the place of `before`; None: no file. `private`: a new one is for its owner alone.

        Raises Refused when somebody has changed it meanwhile, OSError; then it is as it was.
        """
        if after is not None:
            self.root.mkdir(parents=True, exist_ok=True)
        with self._folder() as folder:
            if self.content() != before:
                raise Refused(f"{self.path} was changed meanwhile", fix="call dt setup again")
            name = self.target.name
            if after is None:
                os.unlink(name, dir_fd=folder)
            else:
                beside = f".{name}.dreamos-tasks.{os.getpid()}"
                mode = None if before is None else stat.S_IMODE(os.stat(name, dir_fd=folder).st_mode)
                write_beside(beside, [after], folder=folder, mode=0o600 if private else 0o666, exact_mode=mode)
                replace_with(beside, name, folder=folder)
            sync_folder(folder=folder)
        if after is None:
            self._remove_empty_folders()

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """The file's folder, made if need be, and reached without following a link."""
        at = os.open(self.root, FOLDER)
        try:
            for part in self.target.parent.relative_to(self.root).parts:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o777, dir_fd=at)
                below = os.open(part, FOLDER, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)

    def _remove_empty_folders(self) -> None:
        """Folders that held nothing but this, up to the root."""
        folder = self.target.parent
        with suppress(OSError):  # not empty: it is somebody's
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent


def _no_file(path: Path, cause: str) -> InvalidInput:
    return InvalidInput(
        f"{path} cannot be read or written", cause=cause, fix="mend it by hand, or write the file there by hand"
    )
