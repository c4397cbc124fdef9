"""The sources of settings: a config.yaml, and the environment."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from dreamos_tasks.config.catalogue import hint_at
from dreamos_tasks.config.document import plain_value, read_document, unreadable
from dreamos_tasks.config.layer import KeyPath, Layer
from dreamos_tasks.config.problems import Problem, unknown_variable
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.config.variables import PREFIX, path_of, setting_variables


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", defer_build=True)


_SECTION_FIELDS: dict[str, Any] = {field.name: (hint_at((field.name,)), None) for field in fields(Settings)}
_Sections = create_model("_Sections", __base__=_Base, **_SECTION_FIELDS)


def read_file(path: Path) -> Layer:
    """What a config.yaml says; nothing when there is none."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Layer()
    except OSError as error:  # a folder on the way to it is closed to us
        return Layer(problems=[unreadable(path, error)])
    if not stat.S_ISREG(mode):
        return Layer(problems=[Problem(where=str(path), what="it is not a file", fix=f"ls -ld {path}")])
    return _YamlFile(path).layer


def read_environment(environ: Mapping[str, str]) -> Layer:
    """What the environment says."""
    return _Environment(environ).read()


class _YamlFile(YamlConfigSettingsSource):
    def __init__(self, path: Path) -> None:
        self.layer = Layer()
        super().__init__(_Sections, yaml_file=path)

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        read_document(file_path, self.layer)
        return self.layer.data


class _Environment(EnvSettingsSource):
    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(_Sections)
        self.layer = Layer()
        for name in setting_variables(environ):
            path = path_of(name)
            if len(path) < 2 or hint_at(path[:1]) is None:
                self.layer.problems.append(unknown_variable(name))
            else:
                self.layer.where[path] = name
        self.env_vars = {name.lower(): environ[name] for name in self.layer.where.values()}

    def read(self) -> Layer:
        self.layer.data = {name: self._typed(value, (name,)) for name, value in self().items()}
        return self.layer

    def _typed(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {name: self._typed(inner, (*path, name)) for name, inner in value.items()}
        return _typed(str(value), hint_at(path))


def _typed(text: str, hint: Any) -> Any:
    """A variable's text as the value that a file would have for a setting of this type."""
    if get_origin(hint) is tuple:
        return plain_value(text) if text.startswith("[") else [part.strip() for part in text.split(",")]
    kinds = [kind.__origin__ if hasattr(kind, "__metadata__") else kind for kind in (hint, *get_args(hint))]
    if NoneType in kinds and text == "null":
        return None
    if get_origin(hint) is Literal or str in kinds:
        return text
    return plain_value(text)
