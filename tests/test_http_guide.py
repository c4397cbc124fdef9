"""The examples of docs/guides/http.md run, in their order, against a real daemon."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, DtProcess, own_environment

GUIDE = (ROOT / "docs" / "guides" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
DT = 'dt() {{ "{python}" -m dreamos_tasks.interfaces.cli.main "$@"; }}\n'


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    command = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_SERVER__PORT="0"))
    assert command("init").code == 0
    yield command
    assert command("down").code == 0


def test_the_examples_of_the_guide_run(dt: DtProcess) -> None:
    script = "set -euo pipefail\n" + DT.format(python=sys.executable) + "\n".join(BLOCKS)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=dt.folder,
        env=dt.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deployed to staging" in done.stdout
    assert '"result":{"files":3}' in done.stdout.replace(" ", "")


def test_the_guide_names_every_status_of_the_table() -> None:
    from dreamos_tasks.interfaces.http.problems import STATUS_BY_EXIT_CODE

    for exit_code, status in STATUS_BY_EXIT_CODE.items():
        assert re.search(rf"^\| {exit_code} [a-z ]+\| {int(status)}\b", GUIDE, re.MULTILINE), exit_code
