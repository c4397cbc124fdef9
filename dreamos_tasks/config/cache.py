"""The settings of a board without validating them anew: what was checked once holds until a file or a variable changes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from dreamos_tasks import __version__
from dreamos_tasks.config import settings as _definition
from dreamos_tasks.config.home import Home, user_config
from dreamos_tasks.config.settings import BreakerSettings, Settings, ToolSettings
from dreamos_tasks.config.variables import setting_variables

LARGE_PRIME = 2**61 - 1
_SECTIONS: Mapping[str, Any] = {field.name: field.default_factory for field in fields(Settings)}


def settings_for(home: Home, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a board. Reads and checks them (see `load`) only when something changed since the last time.

    Raises ConfigError like `load`. What was checked is kept in `runtime/.settings.json`, when there is a runtime folder
    that can be written.
    """
    environ = os.environ if environ is None else environ
    files = _stats((user_config(environ), home.config))
    variables = setting_variables(environ)
    if not variables and not any(files.values()):
        return Settings()
    key = {"files": files, "variables": variables, "release": _release()}
    cached = _read(home.settings_cache, key)
    if cached is not None:
        return cached
    from dreamos_tasks.config.loading import load  # pydantic and yaml: only when something changed

    settings = load(home, environ).settings
    if files == _stats(map(Path, files)) and settings.board.url is None:  # a url may hold a password: it is not copied
        _write(home.settings_cache, {"key": key, "settings": asdict(settings)})
    return settings


def _stats(paths: Iterable[Path]) -> dict[str, list[int] | None]:
    """What changes when a file does; None for one that is not there."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            found[str(path)] = None
        except OSError as error:  # one that cannot be reached is no missing one: `load` says what is wrong with it
            found[str(path)] = [error.errno or 0]
        else:
            found[str(path)] = [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]
    return found


def _release() -> list[object]:
    """By which rules the values were checked: the release, and for those who work on it the definition itself."""
    status = os.stat(_definition.__file__)
    return [__version__, status.st_mtime_ns, status.st_size]


def _checksum(content: bytes) -> int:
    """A number that changes with every byte: the remainder by a prime. (What `zlib` has for this takes longer to import.)"""
    return int.from_bytes(content, "big") % LARGE_PRIME


def _read(path: Path, key: Mapping[str, Any]) -> Settings | None:
    """The settings kept under this key. None for a cache that is missing, broken, old, or that others could have written."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or others_write:
                return None
            document = json.loads(file.read())
        if document["checksum"] != _checksum(document["content"].encode()):
            return None
        content = json.loads(document["content"])
        return _restore(content["settings"]) if content["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _restore(kept: Mapping[str, Any]) -> Settings:
    sections = {name: make(**_with_tuples(kept[name])) for name, make in _SECTIONS.items()}
    tools = {name: _restore_tool(**tool) for name, tool in kept["tools"].items()}
    return Settings(**{**sections, "tools": tools})


def _with_tuples(section: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section: JSON has lists where settings have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}


def _restore_tool(breaker: Mapping[str, Any], **rest: Any) -> ToolSettings:
    return ToolSettings(breaker=BreakerSettings(**breaker), **rest)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Keep the settings if that can be done. Not fsynced: what a power cut spoils is noticed by its checksum, and made anew."""
    text = json.dumps(content)
    beside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump({"checksum": _checksum(text.encode()), "content": text}, file)
        beside.replace(path)
    except OSError:  # no runtime folder yet, a read-only or full disk: the next command reads the files again
        with suppress(OSError):
            beside.unlink(missing_ok=True)
