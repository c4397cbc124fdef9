"""kill -9 while a flood is taken in: every file is filed and every task added exactly once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.torture.waiting import until

FILES = 300
PATIENCE_SECONDS = 120.0
WATCHER = """
import asyncio, sys
from pathlib import Path
from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.intake.inbox import InboxRules, InboxWatcher
from dreamos_tasks.stores.sqlite import SqliteStore

async def main(folder):
    def open_nexus():
        store = SqliteStore(folder / "nexus.db")
        return TaskNexus(store, BoardClock(store))
    desk = BoardDesk(open_nexus)
    await desk.start()
    await InboxWatcher(InboxRules(inbox=folder / "inbox", outbox=folder / "outbox"), desk).run()

asyncio.run(main(Path(sys.argv[1])))
"""


def filed(inbox: Path) -> int:
    return sum(1 for _ in (inbox / "accepted").glob("*/*.json.receipt.json"))


def until_filed(inbox: Path, count: int, watcher: subprocess.Popen[bytes]) -> None:
    def are_filed() -> bool:
        assert watcher.poll() is None, "the watcher ended by itself"
        return filed(inbox) >= count and not (count == FILES and any((inbox / ".taken").iterdir()))

    until(are_filed, timeout_seconds=PATIENCE_SECONDS, what=lambda: f"{filed(inbox)} of {count} files are filed")


def test_a_flood_that_is_taken_in_under_kill_9_gives_every_task_once(tmp_path: Path) -> None:
    store = SqliteStore.create(tmp_path / "nexus.db")
    inbox = tmp_path / "inbox"
    inbox.mkdir(mode=0o700)
    for number in range(FILES):
        tasks = [{"title": f"{number}a"}, {"title": f"{number}b", "task_id": f"dt-{number}"}]
        (tmp_path / "beside").write_text(json.dumps(tasks))
        (tmp_path / "beside").rename(inbox / f"{number}.json")
    (inbox / "accepted").mkdir(mode=0o700)
    chance = random.Random(14)
    command = [sys.executable, "-c", WATCHER, str(tmp_path)]

    for kill in range(6):
        watcher = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        last = kill == 5
        until_filed(inbox, FILES if last else min(FILES - 1, filed(inbox) + chance.randrange(1, 60)), watcher)
        watcher.send_signal(signal.SIGTERM if last else signal.SIGKILL)
        watcher.wait()

    nexus = TaskNexus(store, BoardClock(store))
    titles = sorted(task.title for task in nexus.get_all_tasks())
    assert titles == sorted(f"{number}{part}" for number in range(FILES) for part in "ab")
    receipts = [json.loads(path.read_bytes()) for path in (inbox / "accepted").glob("*/*.json.receipt.json")]
    assert len(receipts) == FILES
    assert not [task for receipt in receipts for task in receipt["tasks"] if task["duplicate_of"]]
    assert list(inbox.glob("*.json")) == []
    assert len(list((inbox / "accepted").glob("*/*"))) == 2 * FILES
    store.close()
