"""Where `dt` and `python -m dreamos_tasks` begin: what must happen before anything else is imported, for speed's sake."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

# Looking for garbage among modules that are just being imported is in vain. A long command still gets rid of its own.
GARBAGE_THRESHOLD = 100_000
# What click, dataclasses and pathlib import, and short commands make no use of: a tenth of the time they take.
PUT_OFF = ("inspect", "ipaddress", "ntpath", "copy", "fnmatch")
_TURN = Lock()


class PutOff(ModuleType):
    """Stands in for a module, which is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        with _TURN:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


gc.set_threshold(GARBAGE_THRESHOLD)
sys.modules.update((name, PutOff(name)) for name in PUT_OFF if name not in sys.modules)


def main() -> None:
    """Run the command that the program was called with, and exit with its code."""
    from dreamos_tasks.interfaces.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
