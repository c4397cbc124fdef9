"""The program that the tool `python` starts: calls one function, in whatever Python it is started with (3.8 or newer).

Asked by JSON on standard input; answers by JSON on the file descriptor that its last argument names: {"value": ...}, or
{"error": {...}}. It knows nothing of this package, which need not be installed there.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

LONGEST_CHAIN = 8  # errors behind an error
LONGEST_TEXT = 4000  # characters of an error's text
FOLDER = os.getcwd()
GROUP = "dreamos_tasks.functions"


def main() -> None:
    """Answers once. A function that exits takes the program with it, as any program that exits; with 0, it gives None."""
    answers = int(sys.argv[-1])
    asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    sys.argv = [asked["function"]]
    sys.path.insert(0, FOLDER)  # now: a file of the task's does not stand in for a module that is needed here
    try:
        answer = {"value": called(asked["function"], asked["args"])}
    except SystemExit as left:
        if left.code:
            raise
        answer = {"value": None}
    except Exception as error:  # noqa: BLE001  another's function may raise anything
        show(error)
        answer = {"error": described(error)}
    text = in_json(answer, asked["result_limit_bytes"])
    with os.fdopen(answers, "wb") as file:
        file.write(text.encode("ascii"))


def called(function: str, args: Any) -> Any:
    """What the function gives. A coroutine is run to its end."""
    found = function_named(function)
    given = found(**args) if isinstance(args, dict) else found(*args)
    if not hasattr(given, "__await__"):
        return given
    import asyncio  # most functions do without

    return asyncio.run(awaited(given))


async def awaited(given: Any) -> Any:
    """Of something that is no coroutine too."""
    return await given


def show(error: BaseException) -> None:
    """Print where it was raised, from the function on."""
    sys.path[:] = [place for place in sys.path if place != FOLDER]
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == main.__code__.co_filename:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def function_named(name: str) -> Any:
    """By import path, `package.module:function`, or by the name of an entry point."""
    module, colon, path = name.partition(":")
    if not colon:
        return entry_point(name).load()
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is {type(found).__name__}, which cannot be called")
    return found


def entry_point(name: str) -> Any:
    """Of the group dreamos_tasks.functions."""
    from importlib.metadata import entry_points  # few functions are named so

    points: Any = entry_points()
    offered = points.select(group=GROUP) if hasattr(points, "select") else points.get(GROUP, ())
    for point in offered:
        if point.name == name:
            return point
    known = ", ".join(sorted(point.name for point in offered)) or "none is installed"
    raise ModuleNotFoundError(f"no package offers a function {name!r} in the group {GROUP} ({known})")


def in_json(answer: Any, limit_bytes: int) -> str:
    """The answer; or, when the value cannot be one, why not."""
    try:
        text = json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"unfit": f"it returned {type(answer['value']).__name__}, which is no JSON: {error}"})
    if "value" in answer and len(text) > limit_bytes:
        return json.dumps({"unfit": f"it returned {len(text)} bytes of JSON; it may return {limit_bytes}"})
    return text


def described(error: BaseException | None, depth: int = 0) -> Any:
    """What can be seen of an error from outside: its classes by name, its text, its numbers, and the error behind it."""
    if error is None or depth == LONGEST_CHAIN:
        return None
    response = getattr(error, "response", None)
    return {
        "types": [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__],
        "text": said(error)[:LONGEST_TEXT],
        "errno": number(getattr(error, "errno", None)),
        "status": number(getattr(response, "status_code", getattr(error, "status", None))),
        "smtp_code": number(getattr(error, "smtp_code", None)),
        "cause": described(error.__cause__, depth + 1),
    }


def said(error: BaseException) -> str:
    """Its text. An error may raise another when it is asked for it."""
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001  whatever it is
        return f"(its text cannot be had: {type(another).__name__})"


def number(value: Any) -> Any:
    """None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


if __name__ == "__main__":
    main()
