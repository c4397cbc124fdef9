"""NodeTools: the official conformance suite and inspector, at the versions of package-lock.json, in a cache of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
PINNED = ("package.json", "package-lock.json")
INSTALL_SECONDS = 300.0
SHARED_LOCK_SECONDS = INSTALL_SECONDS + 60.0


@dataclass(frozen=True, kw_only=True)
class NodeTools:
    """What is installed, and where."""

    folder: Path

    @property
    def node(self) -> str:
        """A Node.js that is new enough for both, which the system's may not be."""
        own = sorted((self.folder / "node_modules").glob("node-linux-*/bin/node"))
        return str(own[0]) if own else "node"

    def run(self, tool: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command of the packages to its end."""
        return subprocess.run(
            [self.node, str((self.folder / "node_modules" / ".bin" / tool).resolve()), *arguments],
            env={**os.environ, "NO_COLOR": "1", "PATH": f"{Path(self.node).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def node_tools() -> NodeTools:
    """Installed once for all tests on this machine. Where that cannot be: skips the test at home, and fails it in CI."""
    npm = shutil.which("npm")
    if npm is None:
        _missing("npm is not installed")
        raise AssertionError
    mark = sha256(b"".join((HERE / name).read_bytes() for name in PINNED)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"dreamos-tasks-node-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    done = folder / ".installed"
    with FileLock(folder / ".lock", timeout=SHARED_LOCK_SECONDS):
        if not done.exists():
            for name in PINNED:
                shutil.copy(HERE / name, folder / name)
            install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            try:
                said = subprocess.run(
                    install, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                _missing(f"npm ci took longer than {INSTALL_SECONDS:g} s")
                raise
            if said.returncode:
                _missing(f"npm ci: {said.stderr[-500:]}")
            done.touch()
    return NodeTools(folder=folder)


def _missing(why: str) -> None:
    if "CI" in os.environ:
        pytest.fail(f"the official suite cannot be had: {why}")
    pytest.skip(f"the official suite cannot be had: {why}")
