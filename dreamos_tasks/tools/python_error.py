"""Errors of another process, as it described them: made into an exception again, so that one table judges all of them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from dreamos_tasks.model.failure import Symptom


def symptom_of(described: Mapping[str, Any]) -> Symptom:
    """What is to be diagnosed; see `python_runner.described`."""
    return Symptom(error=_rebuilt(described), http_status=described.get("status"))


def name_of(described: Mapping[str, Any]) -> str:
    """The error's class, as a traceback names it."""
    name: str = described["types"][0]
    return name.removeprefix("builtins.")


def _rebuilt(described: Mapping[str, Any]) -> BaseException:
    """An exception whose classes have the names that the error's had; that of Python itself is the real one."""
    names = [tuple(name.rpartition(".")[::2]) for name in described["types"]]
    cls: Any = next(filter(None, (_of_python(module, own) for module, own in names)), Exception)
    text = str(described["text"])
    for module, own in reversed(names):
        if module != "builtins":
            cls = type(own, (cls,), {"__module__": module})
    cls = type(cls.__name__, (cls,), {"__module__": cls.__module__, "__str__": lambda _self: text})
    error: BaseException = cls.__new__(cls)
    error.args = (text,)
    for name in ("errno", "smtp_code"):
        if described.get(name) is not None:
            setattr(error, name, described[name])
    if described.get("cause"):
        error.__cause__ = _rebuilt(described["cause"])
    return error


def _of_python(module: str, own: str) -> type[BaseException] | None:
    found = getattr(builtins, own, None) if module == "builtins" else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None
