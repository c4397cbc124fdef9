"""Episodes, incidents and mail in the dashboard: a real browser, a real daemon, and agents that work with dt."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Locator, StorageState

from dreamos_tasks.app.daemon_lock import read_card
from tests.end_to_end.dashboard import Dashboard, Scheme, window
from tests.end_to_end.project import Project

# What the page asks for every five seconds it does not ask for at all: what shows then was told by the live feed.
NEVER_POLL = """const every = window.setInterval;
window.setInterval = (act, wait, ...more) => every(act, wait === 5000 ? 2 ** 30 : wait, ...more);"""
HOSTILE = "<img src=x onerror=\"document.title='taken'\"> \u202e& all"
WIDE = 1280


def start_episode(project: Project, title: str, **agents: Any) -> str:
    """As a program does it, over HTTP."""
    card = read_card(project.runtime / "daemon.json")
    assert card is not None
    token = (project.runtime / "token").read_text().strip()
    form = {"title": title, "north_star": "Every file is read", "agent_assignments": agents}
    url = f"{card.endpoints['http']}/api/v1/episodes"
    answer = httpx2.post(url, json=form, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == 201, answer.text
    episode_id: str = answer.json()["episode_id"]
    return episode_id


def told(project: Project, *words: str) -> Any:
    said = project.dt(*words, "--json")
    assert said.code == 0, said.err
    return said.form


def look_at_the_board(project: Project) -> None:
    """As the monitor does every so often."""
    assert project.dt("monitor", "--once").code == 0


def number_beside(dashboard: Dashboard, view: str) -> Locator:
    return dashboard.page.locator(f'.nav a[href="#/{view}"] .count')


def test_an_episode_is_watched_live_and_stopped(served: Project, dashboard: Dashboard) -> None:
    page = dashboard.page
    page.add_init_script(NEVER_POLL)
    page.reload()
    page.wait_for_selector(".board")
    assert "2 ** 30" in page.evaluate("String(window.setInterval)")
    page.keyboard.press("g")
    page.keyboard.press("e")
    dashboard.see(page.get_by_text("There is no episode"))
    episode_id = start_episode(
        served,
        "Ship <b>it</b>",
        ada={"task_id": "tests", "title": "Write tests"},
        bob={"task_id": "fix", "title": "Make them pass", "dependencies": ["tests"]},
        eve={"task_id": "guide", "title": "Write the guide", "dependencies": ["fix"]},
    )
    card = dashboard.see(page.locator(f'.episode[data-episode="{episode_id}"]', has_text="Ship <b>it</b>"))
    told(served, "claim", "tests", "--agent", "ada")
    told(served, "complete", "tests", "--agent", "ada")
    dashboard.see(card.get_by_text("1 of 3 tasks completed"))
    card.get_by_role("link").click()
    dashboard.see(page.locator('[data-task="fix"][data-state="ready"]'))
    dashboard.see(page.get_by_text("Every file is read"))
    told(served, "claim", "fix", "--agent", "bob")
    dashboard.see(page.locator('[data-task="fix"][data-state="in_progress"]'))
    told(served, "fail", "fix", "--agent", "bob", "--error", "no room on the disk")
    stuck = dashboard.see(page.get_by_role("alert").filter(has_text="has failed, and a task waits for it"))
    assert "no room on the disk" in stuck.inner_text()
    stuck.get_by_role("button", name="Retry").click()
    dashboard.see(page.locator('[data-task="fix"][data-state="ready"]'))
    stuck.wait_for(state="hidden")
    dashboard.button("Stop episode").click()
    page.locator("dialog").get_by_role("button", name="No, leave it").click()
    assert told(served, "show", "fix")["status"] == "pending"
    page.keyboard.press("x")
    page.locator("dialog").get_by_role("button", name="Stop episode").click()
    dashboard.see(page.locator(".task-head .pill", has_text="Stopped"))
    assert told(served, "show", "fix")["status"] == "cancelled"
    assert told(served, "show", "tests")["status"] == "completed"


def test_an_incident_is_counted_until_somebody_acknowledges_or_snoozes_it(
    served: Project, dashboard: Dashboard
) -> None:
    page = dashboard.page
    for title in ("Send the report", "Renew the certificate"):
        told(served, "add", title, "--due", "2020-01-01")
    look_at_the_board(served)
    dashboard.see(number_beside(dashboard, "incidents").filter(has_text="2"))
    dashboard.go("#/incidents")
    report = dashboard.see(page.locator(".matter", has_text="Send the report"))
    report.get_by_role("button", name="Acknowledge").click()
    dashboard.see(report.get_by_text("Acknowledged", exact=True))
    dashboard.see(number_beside(dashboard, "incidents").filter(has_text="1"))
    page.locator(".matter", has_text="Renew").get_by_role("button", name="Snooze 8 h").click()
    number_beside(dashboard, "incidents").wait_for(state="detached")
    states = {each["text"].partition("(")[2].partition(")")[0]: each["state"] for each in told(served, "incidents")}
    assert states == {"Send the report": "acknowledged", "Renew the certificate": "snoozed"}
    report.get_by_role("button", name="Close").click()
    dashboard.see(page.locator(".matter.closed", has_text="Send the report"))
    for title in ("One more", "And another"):
        told(served, "add", title, "--due", "2020-01-01")
    look_at_the_board(served)
    dashboard.see(dashboard.button("Acknowledge all 2")).click()
    dashboard.button("Acknowledge them").click()
    number_beside(dashboard, "incidents").wait_for(state="detached")


def test_mail_is_written_by_a_person_and_what_agents_wrote_is_read(served: Project, dashboard: Dashboard) -> None:
    page, person = dashboard.page, getpass.getuser()
    dashboard.go("#/mail")
    dashboard.see(page.get_by_text(f"{person} (you)"))
    page.keyboard.press("c")
    page.get_by_label("To", exact=True).fill("ada")
    page.get_by_label("Subject").fill("The parser")
    page.get_by_label("Text").fill(HOSTILE)
    page.get_by_label("Ask for an acknowledgement").check()
    dashboard.button("Send").click()
    dashboard.go("#/mail/ada")
    letter = dashboard.see(page.locator(".mail-letter", has_text="The parser"))
    assert "<img src=x onerror=" in letter.inner_text(), "as it was written, and no picture"
    assert "\\u202e" in letter.inner_text()
    assert letter.get_by_role("button").count() == 0, "whoever looks reads nothing in ada's name"
    (message,) = told(served, "mail", "list", "--agent", "ada")
    assert (message["from_agent_id"], message["requires_ack"], message["read_at"]) == (person, True, None)
    told(served, "mail", "ack", message["message_id"], "--agent", "ada")
    dashboard.see(letter.get_by_text("Acknowledged", exact=True))

    task = ("--type", "task", "--body", json.dumps({"title": "Look at it", "tags": ["core"]}))
    told(served, "mail", "send", person, "--agent", "ada", "--subject", "Look at it", *task)
    told(served, "mail", "send", person, "--agent", "ada", "--subject", "Shall I?", "--body", "go on", "--ack")
    dashboard.go("#/mail")
    dashboard.see(page.locator(".mail-letter", has_text="Shall I?"))
    dashboard.until("document.querySelectorAll('.mail-letter').length === 2")
    newest, older = page.locator(".mail-letter").all()
    assert "Shall I?" in newest.inner_text(), "newest first"
    assert '"core"' in older.inner_text()
    older.get_by_role("button", name="Mark as read").click()
    older.get_by_text("Unread").wait_for(state="detached")
    newest.get_by_role("button", name="Acknowledge").click()
    dashboard.see(newest.get_by_text("Acknowledged", exact=True))
    assert all(each["read_at"] for each in told(served, "mail", "list", "--agent", person))
    older.get_by_role("link", name="task").click()
    dashboard.see(page.locator(".task-head h1", has_text="Look at it"))


def test_these_views_can_be_used_by_everybody_in_light_in_dark_and_on_a_phone(
    served: Project, browser: Browser, session: StorageState, tmp_path: Path
) -> None:
    word = "a-word-that-goes-on-and-on-" * 6
    ada = {"task_id": "first", "title": f"First {word}"}
    bob = {"task_id": "second", "title": "Second", "dependencies": ["first"], "run": ["true"]}
    episode_id = start_episode(served, f"Look at {word}", ada=ada, bob=bob)
    told(served, "claim", "first", "--agent", "ada")
    told(served, "fail", "first", "--agent", "ada", "--error", f"could not: {word}")
    told(served, "add", f"Late {word}", "--due", "2020-01-01")
    told(served, "mail", "send", "ada", "--agent", "bob", "--subject", word, "--body", word * 40, "--ack")
    look_at_the_board(served)
    views = {
        "episodes": ".episode",
        f"episodes/{episode_id}": ".stuck",
        "incidents": ".matter",
        "mail/ada": ".mail-letter",
    }
    looks: list[tuple[Scheme, int]] = [("light", WIDE), ("dark", 390), ("dark", WIDE)]
    faults: list[str] = []
    for scheme, width in looks:
        with window(served, browser, scheme=scheme, width=width, session=session) as here:
            here.come_back()
            for view, sign in views.items():
                here.go(f"#/{view}")
                here.see(here.page.locator(sign).filter(visible=True))
                name = view.partition("/")[0] + ("-one" if "/" in view else "")
                here.page.screenshot(caret="initial", path=tmp_path / f"{name}-{scheme}-{width}.png")
                assert here.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is too wide"
                sides = "[...document.querySelectorAll('.panel')].every(one => one.scrollWidth <= one.clientWidth + 1)"
                assert here.page.evaluate(sides), f"a panel of {view} is too narrow for what is in it"
                if width == WIDE:  # the narrow one is drawn with the same parts
                    faults += [f"{view}, {scheme}: {fault}" for fault in here.accessibility_faults()]
    assert faults == [], "\n".join(faults)
