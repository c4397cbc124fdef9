"""Limits that the kernel holds for each process by itself (setrlimit(2)): set by the shell that becomes the command."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence

from dreamos_tasks.model.limits import Limits

SHELL = "/bin/sh"
LAST_WORDS_SECONDS = 5  # of processor time, between the signal XCPU and KILL


def limited(arguments: Sequence[str], limits: Limits) -> Sequence[str]:
    """The command, with its limits set before it begins, where there are any: then a program that is missing is exit code 127.

    Processor time is a net below the guard, who adds up all processes: it holds also when nobody is left to look.
    """
    settings = [*_open_files(limits), *_processor_time(limits)]
    if not settings:
        return arguments
    return (SHELL, "-c", "; ".join([*settings, 'exec "$@"']), SHELL, *arguments)


def _open_files(limits: Limits) -> Sequence[str]:
    if limits.open_files is None:
        return ()
    return (f"ulimit -n {_below_hard(resource.RLIMIT_NOFILE, limits.open_files)}",)


def _processor_time(limits: Limits) -> Sequence[str]:
    if limits.cpu_seconds is None:
        return ()
    soft = math.ceil(limits.cpu_seconds) + 1
    hard = _below_hard(resource.RLIMIT_CPU, soft + LAST_WORDS_SECONDS)
    return (f"ulimit -S -t {min(soft, hard)}", f"ulimit -H -t {hard}")


def _below_hard(number: int, wanted: int) -> int:
    """What we may not exceed ourselves cannot be granted."""
    hard = resource.getrlimit(number)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
