"""WallClock: the wall clock that a program sees, set by the test also while the program runs; its other clocks are real."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")


class WallClock:
    """One clock. Every program that is started in its environment, and whatever that starts, goes by it."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.set(0)
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(file)}

    def set(self, seconds: int) -> None:
        """Put it so far ahead of the real one, or behind it. Programs see it at once."""
        with self._file.open("r+b" if self._file.exists() else "xb", buffering=0) as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))


def build_library(folder: Path) -> Path:
    """Compile it. Skips the test where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip(
            "there is no C compiler to make another wall clock with (Debian, Ubuntu: apt install gcc libc6-dev)"
        )
    library = folder / "wall_clock.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library
