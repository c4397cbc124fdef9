"""W10: the dashboard with 10,000 tasks in a real browser: first paint, an update, and scrolling."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.board_workloads import folder
from benchmarks.daemon_workloads import DT, daemon
from benchmarks.measuring import Results, percentile
from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.model.task import Priority

TASKS, FEW_TASKS = 10_000, 100
UPDATES = 40
LAST_COUNT = "n => document.querySelector('.column[data-state=ready] .count')?.textContent === n.toLocaleString()"
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
FIRST_CARDS = "() => performance.getEntriesByName('first-cards')[0].startTime"
# Marks the frame in which the first cards are drawn.
MARK_CARDS = """addEventListener('DOMContentLoaded', () => {
  const look = () => document.querySelector('.card') ? performance.mark('first-cards') : requestAnimationFrame(look);
  look();
});"""
AWAIT_TEXT = """text => new Promise(done => {
  const isThere = () => document.querySelector('.card .note')?.textContent === text && done(Date.now());
  new MutationObserver(isThere).observe(document.body, { subtree: true, childList: true, characterData: true });
  isThere();
})"""
SCROLL = """() => new Promise(done => {
  const list = document.querySelector('.column[data-state=ready] .list'), frames = [];
  let last = performance.now();
  const step = now => {
    frames.push(now - last);
    last = now;
    list.scrollTop += 400;
    frames.length < 120 ? requestAnimationFrame(step) : done(frames.slice(2));
  };
  requestAnimationFrame(step);
})"""


def w10(results: Results, *, repetitions: int, quick: bool) -> None:
    """The dashboard."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    few, many = f"{FEW_TASKS} tasks", f"{TASKS:,} tasks"
    for metric in ("first paint", "first cards", "an update, p50", "an update, p95", "a frame of scrolling, p95"):
        results.compare_with("W10", metric, few)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, chromium_sandbox=os.geteuid() != 0)
        for _ in range(repetitions):
            for system, count in ((few, FEW_TASKS), (many, TASKS)):
                with folder() as home:
                    _fill(home, count)
                    with daemon(home, concurrent=1):
                        _measure(results, system, browser, home, count, updates=10 if quick else UPDATES)
        browser.close()


def _fill(home: Path, count: int) -> None:
    (home / "runtime").mkdir()
    nexus = TaskNexus.open(home / "runtime" / "nexus.db")
    priorities = list(Priority)
    drafts = [
        TaskDraft(title=f"Look after part {number} of the index", priority=priorities[number % 4], tags=("core",))
        for number in range(count)
    ]
    nexus.add_tasks(drafts)
    nexus.close()


def _measure(results: Results, system: str, browser: Any, home: Path, count: int, *, updates: int) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(MARK_CARDS)
    page.goto(_link(home))  # signs in, and warms up what a daemon loads at its first request
    page.wait_for_function(LAST_COUNT, arg=count)
    page.reload()
    page.wait_for_selector(".card")
    results.add("W10", "first paint", "ms", system, page.evaluate(PAINTED))
    results.add("W10", "first cards", "ms", system, page.evaluate(FIRST_CARDS))
    page.wait_for_function(LAST_COUNT, arg=count)
    results.add("W10", "all tasks there", "ms", system, page.evaluate("performance.now()"))
    frames = page.evaluate(SCROLL)
    results.add("W10", "a frame of scrolling, p95", "ms", system, percentile(frames, 95))
    nexus = TaskNexus.open(home / "runtime" / "nexus.db")
    task = nexus.get_next_task("ada")
    assert task is not None
    page.wait_for_selector(f'.column[data-state=in_progress] [data-id="{task.task_id}"]')
    waits = [_update(page, nexus, task.task_id, f"note {number}") for number in range(updates)]
    nexus.close()
    for percent in (50, 95):
        results.add("W10", f"an update, p{percent}", "ms", system, percentile(waits, percent))
    page.context.close()


def _update(page: Any, nexus: TaskNexus, task_id: str, note: str) -> float:
    """Milliseconds from the commit to the changed card."""
    from dreamos_tasks.model.task import Progress

    page.evaluate(f"void (window.shown = ({AWAIT_TEXT})({json.dumps(note)}))")  # evaluate waits for what it is given
    nexus.record_progress(task_id, Progress(note=note), agent_id="ada")
    committed = time.time() * 1000
    shown: float = page.evaluate("window.shown")
    return shown - committed


def _link(home: Path) -> str:
    environ = {**os.environ, "DREAMOS_TASKS_HOME": str(home)}
    said = subprocess.run([DT, "dashboard", "--json"], env=environ, capture_output=True, text=True, check=True)
    url: str = json.loads(said.stdout)["url"]
    return url
