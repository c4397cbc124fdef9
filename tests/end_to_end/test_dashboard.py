"""The dashboard in a real browser: what a person sees and does. Screenshots are kept in the test's folder."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, StorageState

from tests.end_to_end.dashboard import Dashboard, Scheme, window
from tests.end_to_end.project import GATE, JOURNAL, Project, step

MARK = "for (const card of document.querySelectorAll('.card')) card.seen = true;"
WIDE = 1280
WATCH_READY_CARDS = """() => {
  window.drawn = new Set();
  const cardOf = node => (node.closest ? node : node.parentElement).closest('.card');
  const isTick = node => (node.closest ? node : node.parentElement).closest('.tick');
  const look = changes => changes.map(one => one.target).filter(node => cardOf(node) && !isTick(node))
    .forEach(node => window.drawn.add(cardOf(node).dataset.id));
  const all = { subtree: true, characterData: true, childList: true, attributes: true };
  new MutationObserver(look).observe(document.querySelector('.column[data-state=ready]'), all);
}"""
NEW_CARDS = "() => [...document.querySelectorAll('.card')].filter(card => !card.seen).map(card => card.dataset.id)"


def add(project: Project, **form: Any) -> str:
    said = project.dt("add", "-", "--json", text=json.dumps(form))
    assert said.code == 0, said.err
    task_id: str = said.form["task_id"]
    return task_id


def test_a_task_is_added_watched_paused_and_resumed(served: Project, dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.see(dashboard.button("Add task")).click()
    page.get_by_label("Title", exact=True).fill("Build <b>it</b> \u202e all")
    page.get_by_label("Commands").fill(f"{JOURNAL}; echo waiting for the gate; {GATE}\necho done")
    page.locator("dialog").get_by_role("button", name="Add task").click()
    card = dashboard.see(dashboard.card("Build <b>it</b> \\u202e all", state="in_progress"))
    card.click()
    dashboard.see(page.locator(".step[data-status=running]"))
    dashboard.see(page.locator(".tail", has_text="waiting for the gate"))
    dashboard.button("Pause").click()
    dashboard.see(dashboard.button("Resume"))
    served.open_gate()
    dashboard.see(page.locator(".task-head .pill.paused"))
    dashboard.see(page.locator(".step[data-status=pending]"))
    dashboard.button("Resume").click()
    dashboard.see(page.locator(".task-head .pill.completed"))
    dashboard.see(page.locator(".step[data-status=completed]").nth(1))
    dashboard.until("document.querySelectorAll('[data-verb]').length === 0")
    page.keyboard.press("Escape")
    dashboard.see(dashboard.card("Build", state="completed"))


def test_an_approval_cannot_be_missed_and_is_given_with_changed_parameters(
    served: Project, dashboard: Dashboard
) -> None:
    page = dashboard.page
    asks = {**step("drop", "echo dropped everything"), "approval": "required"}
    task_id = add(served, title="Drop the tables", plan={"steps": [asks]})
    dashboard.see(page.locator(".nav .count.urgent", has_text="1"))
    dashboard.until("document.title.startsWith('(1) ')")
    page.get_by_role("link", name="Decide").click()
    command = dashboard.see(page.get_by_label("command"))
    assert "dropped everything" in command.input_value()
    command.fill(f"{JOURNAL}; echo dropped one")
    page.get_by_label("Why").fill("one is enough")
    dashboard.button("Approve").click()
    dashboard.see(page.get_by_text("Nobody waits for you"))
    task = served.until_state("Drop the tables", "completed")
    assert task["steps"][0]["output_head"] == "dropped one\n"
    assert task["requests"][0]["reason"] == "one is enough"
    dashboard.go(f"#/task/{task_id}")
    dashboard.see(page.locator(".tail", has_text="dropped one"))
    dashboard.until("!document.title.startsWith('(')")


def test_a_killed_daemon_leaves_a_banner_and_what_was_missed_is_filled_in_when_it_is_back(
    served: Project, dashboard: Dashboard
) -> None:
    page = dashboard.page
    kept, changed = add(served, title="Kept"), add(served, title="Changed")
    dashboard.see(dashboard.card("Changed", state="ready"))
    page.evaluate(MARK)
    page.evaluate("window.isSamePage = true")
    os.kill(served.daemon_pid(), signal.SIGKILL)
    dashboard.see(page.get_by_role("alert").filter(has_text="Stale since"))
    added = add(served, title="Meanwhile")
    assert served.dt("claim", changed, "--agent", "ada").code == 0
    assert dashboard.card("Meanwhile").count() == 0, "it shows what it knows"
    served.up()
    dashboard.see(dashboard.card("Meanwhile", state="ready"))
    dashboard.see(dashboard.card("Changed", state="in_progress"))
    page.get_by_role("alert").filter(has_text="Stale since").wait_for(state="hidden")
    assert page.evaluate("window.isSamePage"), "without loading the page anew"
    assert set(page.evaluate(NEW_CARDS)) == {added, changed}, f"{kept} is as it was drawn"


def test_an_update_redraws_its_own_card_and_no_other(served: Project, dashboard: Dashboard) -> None:
    page = dashboard.page
    ids = [add(served, title=f"Task {number}") for number in range(5)]
    dashboard.see(dashboard.card("Task 4", state="ready"))
    page.evaluate(MARK)
    page.evaluate(WATCH_READY_CARDS)
    assert served.dt("update", ids[2], "--title", "Another name").code == 0
    dashboard.see(dashboard.card("Another name"))
    assert page.evaluate("[...window.drawn]") == [ids[2]]
    assert page.evaluate(NEW_CARDS) == []


def test_priorities_are_set_by_dragging_and_by_keys_and_a_long_column_draws_what_is_in_sight(
    served: Project, dashboard: Dashboard
) -> None:
    page = dashboard.page
    served.drop("many.json", [{"title": f"Task {number}", "priority": "low"} for number in range(600)])
    add(served, title="Anchor", priority="high", tags=["drag"])
    add(served, title="Mover", tags=["drag"])
    dashboard.until("parseInt(document.querySelector('.column[data-state=ready] .count')?.textContent) > 600")
    assert 5 < page.locator(".card").count() < 80
    dashboard.go("#/board?tag=drag")
    dashboard.until("document.querySelectorAll('.card').length === 2")
    dashboard.card("Mover").drag_to(dashboard.card("Anchor"))
    dashboard.see(page.locator(".card.high", has_text="Mover"))
    assert served.tasks()["Mover"]["priority"] == "high"
    dashboard.card("Mover").focus()
    page.keyboard.press("1")
    dashboard.see(page.locator(".card.critical", has_text="Mover"))
    page.keyboard.press("-")
    dashboard.see(page.locator(".card.high", has_text="Mover"))
    page.keyboard.press("ArrowUp")
    dashboard.until("document.activeElement.dataset.id && !document.activeElement.textContent.includes('Mover')")
    dashboard.go("#/board")
    dashboard.card("Mover").focus()
    page.keyboard.press("4")
    dashboard.until("document.activeElement.dataset.id && !document.activeElement.textContent.includes('Mover')")
    page.keyboard.press("/")
    page.keyboard.type("task 599")
    dashboard.until("document.querySelectorAll('.card').length === 1")
    assert "text=task" in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    dashboard.see(page.get_by_role("dialog", name="Keys"))


def test_every_view_can_be_used_by_everybody_in_light_in_dark_and_on_a_phone(
    served: Project, browser: Browser, session: StorageState, tmp_path: Path
) -> None:
    asks = {**step("ask", "echo asked"), "approval": "required"}
    task_id = add(served, title="Asks", priority="high", tags=["core"], plan={"steps": [step("list"), asks]})
    add(served, title="Fails", run="echo trying; exit 3")
    held = add(served, title="Held", priority="critical")
    add(served, title="Waits", depends_on=[held])
    assert served.dt("claim", held, "--agent", "ada").code == 0
    served.until_state("Fails", "failed")
    served.until_state("Asks", "awaiting_approval")
    views = {
        "board": ".card",
        f"task/{task_id}": ".step",
        "approvals": ".request",
        "agents": ".agent",
        "health": ".chart canvas",
        "failed": ".letter",
    }
    looks: list[tuple[Scheme, int]] = [("light", WIDE), ("dark", 390), ("dark", WIDE)]
    faults: list[str] = []
    for scheme, width in looks:
        with window(served, browser, scheme=scheme, width=width, session=session) as here:
            here.come_back()
            for view, sign in views.items():
                here.go(f"#/{view}")
                here.see(here.page.locator(sign).filter(visible=True))
                here.page.screenshot(caret="initial", path=tmp_path / f"{view.partition('/')[0]}-{scheme}-{width}.png")
                assert here.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is too wide"
                if width == WIDE:  # the narrow one is drawn with the same parts
                    faults += [f"{view}, {scheme}: {fault}" for fault in here.accessibility_faults()]
    assert faults == [], "\n".join(faults)


def test_a_browser_that_is_not_signed_in_is_told_how(served: Project, browser: Browser) -> None:
    said = served.dt("dashboard", "--json")
    with window(served, browser) as here:
        here.page.goto(said.form["url"].partition("/login")[0] + "/")
        here.see(here.page.get_by_text("You are not signed in"))
        assert "dt dashboard" in here.page.inner_text("main")
        here.open()
        here.see(here.page.get_by_role("heading", name="Board"))
