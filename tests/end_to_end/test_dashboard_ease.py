"""What makes the dashboard easy to use: links that always lead somewhere, keys, colours of output, nothing lost or cut off."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import Browser, StorageState

from dreamos_tasks.app.daemon_lock import read_card
from tests.end_to_end.dashboard import Dashboard, window
from tests.end_to_end.project import Project

NARROWEST = 360
CHARTS = "vendor/uplot.js"
PRINT = (
    r"printf '\033[1;31merror\033[0m: \033[38;5;208morange\033[0m\n\033[Kplain\r\n';"
    r" printf 'at 10\rat 20\rat 30'; printf '\n\033[2Aup\n'"
)
SUNK = "() => [...document.querySelectorAll('.nav li')].filter(one => one.getBoundingClientRect().right > innerWidth).length"


def test_an_empty_board_says_how_to_begin(dashboard: Dashboard) -> None:
    dashboard.see(dashboard.page.get_by_text("No task yet"))
    assert dashboard.project.dt("add", "Begin").code == 0
    dashboard.see(dashboard.card("Begin", state="ready"))
    dashboard.page.get_by_text("No task yet").wait_for(state="detached")


def test_what_the_form_for_a_task_refuses_is_said_in_its_own_words(dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.see(dashboard.button("Add task")).click()
    form = page.locator("dialog")
    page.get_by_label("Title", exact=True).fill("Begin")
    page.get_by_label("Tags").fill("fine a;b #c;d")
    form.get_by_role("button", name="Add task").click()
    said = dashboard.see(form.get_by_role("alert")).inner_text().split("\n")
    assert said[0] == "Tags: 'a;b' cannot be a tag"
    assert any(line.startswith("a name has 1-100 letters") for line in said)
    assert "Tags: 'c;d' cannot be a tag" in said
    assert not any("/tags" in line or "line 1" in line for line in said)
    page.get_by_label("Tags").fill("fine")
    page.get_by_label("After (ids)").fill("dt-nope")
    form.get_by_role("button", name="Add task").click()
    dashboard.see(form.get_by_text("After (ids): it depends on 'dt-nope', which is not on this board"))


def test_what_cannot_be_asked_for_is_not_said_to_be_nothing(served: Project, dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.until(f"performance.getEntriesByType('resource').some(one => one.name.endsWith('{CHARTS}'))")
    os.kill(served.daemon_pid(), signal.SIGKILL)
    dashboard.see(page.get_by_role("alert").filter(has_text="Stale since"))
    dashboard.go("#/health")
    dashboard.see(page.get_by_role("heading", name="Breakers and limits"))
    assert page.get_by_text("No tool or host is held back").count() == 0
    served.up()
    dashboard.see(page.get_by_text("No tool or host is held back"))


def test_a_link_that_was_mistyped_leads_to_a_page_that_says_so_or_to_the_board(
    served: Project, browser: Browser, session: StorageState
) -> None:
    card = read_card(served.runtime / "daemon.json")
    assert card is not None
    with window(served, browser, session=session) as here:
        for link, seen in (("#/nothing/here", "Board"), ("#/task/", "Board"), ("#/failed", "Dead letters")):
            here.page.goto("about:blank")
            here.page.goto(f"{card.endpoints['http']}/{link}")
            here.see(here.page.get_by_role("heading", level=1, name=seen))
            here.until(f"document.title.endsWith('{seen} · dreamos-tasks')")
    with window(served, browser, session=session) as here:
        here.page.goto(f"{card.endpoints['http']}/#/task/%zz")
        here.see(here.page.get_by_role("alert").filter(has_text="no task '%zz'"))


def test_the_keyboard_comes_to_the_cards_by_tab_and_one_press_leaves_the_column(dashboard: Dashboard) -> None:
    for title in ("First", "Second"):
        assert dashboard.project.dt("add", title, "--priority", "critical").code == 0
    dashboard.see(dashboard.card("Second", state="ready"))
    page = dashboard.page
    page.get_by_role("button", name="Fold Ready").focus()
    page.keyboard.press("Tab")
    assert "First" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowDown")
    dashboard.until("document.activeElement.textContent.includes('Second')")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Fold Ready"
    page.keyboard.press("Tab")
    assert "Second" in page.evaluate("document.activeElement.textContent"), "where it was left"
    page.keyboard.press("p")
    dashboard.see(page.locator(".notice", has_text="Paused")).get_by_role("button", name="Dismiss").click()
    page.locator(".notice", has_text="Paused").wait_for(state="detached")


def test_output_is_shown_as_on_a_terminal_and_what_nobody_would_see_as_an_escape(dashboard: Dashboard) -> None:
    said = dashboard.project.dt("add", "Colourful", "--run", PRINT, "--wait", "--json")
    assert said.code == 0, said.err
    dashboard.go(f"#/task/{said.form['task_id']}")
    tail = dashboard.page.locator(".tail")
    dashboard.see(tail.locator(".run.ink-1.bold", has_text="error"))
    assert tail.locator(".run.ink-mixed").inner_text() == "orange"
    assert tail.inner_text() == "error: orange\nplain\nat 30\n\\x1b[2Aup\n"
    dashboard.until("document.title.includes('Colourful')")


def test_a_press_beside_a_form_does_not_throw_away_what_was_written(dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.see(dashboard.button("Add task")).click()
    page.mouse.click(5, 5)
    page.locator("dialog").wait_for(state="detached")
    dashboard.button("Add task").click()
    page.get_by_label("Title", exact=True).fill("A long thought")
    page.mouse.click(5, 5)
    assert page.get_by_label("Title", exact=True).input_value() == "A long thought"
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")


def test_on_the_narrowest_phone_every_view_is_within_reach(
    served: Project, browser: Browser, session: StorageState
) -> None:
    with window(served, browser, width=NARROWEST, height=740, session=session) as here:
        here.come_back()
        assert here.page.evaluate(SUNK) == 0
        chosen = here.page.get_by_role("tab", selected=True).bounding_box()
        assert chosen is not None
        assert 0 <= chosen["x"] <= chosen["x"] + chosen["width"] <= NARROWEST
