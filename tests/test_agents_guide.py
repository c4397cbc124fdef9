"""The guide for agents keeps its word: what it tells to type is typed, and two agents have done the work within the time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tests.command import ROOT, DtProcess, own_environment

GUIDE = (ROOT / "docs" / "guides" / "agents.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("## Two agents in five minutes\n")[2].partition("\n## ")[0]
FIVE_MINUTES = 300
AT_MOST_TIMES_LATER = 3  # on a machine that does other things as well
INSTALLING = "uv tool install"  # what the test stands in for: it has the program already


def blocks(language: str) -> list[str]:
    """The blocks of the section."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", SECTION, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


def test_two_agents_have_done_the_work_of_the_guide_within_five_minutes(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text(blocks("sh")[0])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dt").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dreamos_tasks "$@"\n')
    (tmp_path / "bin" / "dt").chmod(0o755)
    environment = own_environment(tmp_path, PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    typed = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    script = "set -e\n" + "\n".join(line for line in typed if not line.startswith(INSTALLING))
    begun = time.monotonic()

    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=FIVE_MINUTES * AT_MOST_TIMES_LATER,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    waiting = os.getloadavg()[1] / len(os.sched_getaffinity(0))  # how many wanted each processor meanwhile
    assert time.monotonic() - begun < FIVE_MINUTES * max(1.0, waiting)
    tasks = json.loads(DtProcess(tmp_path, environment)("list", "--status", "completed", "--json").out)
    lines = (tmp_path / "done.txt").read_text().splitlines()
    assert len(tasks) == len(lines) == SECTION.count("$ dt add ")
    assert {line.rpartition(" ")[2] for line in lines} == {"ada", "bob"}
    assert (tmp_path / ".mcp.json").exists()
    assert "You are cara." in done.stdout
    assert "5 proofs, 0 failed" in done.stdout
