"""The unit file, judged by systemd-analyze."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.systemd.unit import MARK, SYSTEM_HOME, UNIT_NAME, Scope, ServiceUnit, render

HIGHEST_EXPOSURE = 2.5
HOSTILE = '/home/ada/it\'s "50%" $HOME a:b c\\d é'


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        missing = "systemd-analyze is not on this machine (Debian, Ubuntu: apt install systemd)"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def a_unit(scope: Scope, **given: object) -> ServiceUnit:
    defaults: dict[str, object] = {
        "scope": scope,
        "program": Path("/usr/bin/true"),
        "home": Path("/home/ada/board"),
        "workspaces": (Path("/home/ada/src"), Path("/srv/builds")),
        "program_paths": (Path("/home/ada/.local/share/uv/tools/dreamos-tasks"), Path("/usr")),
        "user": "daemon" if scope is Scope.SYSTEM else None,
    }
    return ServiceUnit(**(defaults | given))  # type: ignore[arg-type]


def verified(program: str, text: str, *, scope: Scope, folder: Path) -> str:
    """Everything systemd-analyze has to say about the unit."""
    (folder / UNIT_NAME).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [program, f"--{scope}", "verify", "--man=no", UNIT_NAME],
        cwd=folder,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    return said if said or done.returncode == 0 else f"exit code {done.returncode}"


@pytest.mark.parametrize("scope", Scope)
def test_systemd_finds_nothing_wrong_with_it(scope: Scope, systemd_analyze: str, tmp_path: Path) -> None:
    assert verified(systemd_analyze, render(a_unit(scope)), scope=scope, folder=tmp_path) == ""


@pytest.mark.parametrize("scope", Scope)
def test_systemd_finds_nothing_wrong_with_hostile_folder_names(
    scope: Scope, systemd_analyze: str, tmp_path: Path
) -> None:
    program = tmp_path / "50% $HOME $$ a:b é" / "dreamos-tasks"
    program.parent.mkdir()
    program.symlink_to("/usr/bin/true")
    text = render(a_unit(scope, program=program, home=Path(HOSTILE), workspaces=(Path(HOSTILE),)))
    assert verified(systemd_analyze, text, scope=scope, folder=tmp_path) == ""


def test_folder_names_are_written_as_systemd_reads_them() -> None:
    """systemd-analyze does not say what it read; a running systemd 252 was seen to bind exactly this folder."""
    written = r"""/home/ada/it's \"50%%\" $HOME a:b c\\d é"""
    lines = render(a_unit(Scope.SYSTEM, home=Path(HOSTILE), workspaces=())).splitlines()
    assert f'Environment="DREAMOS_TASKS_HOME={written}"' in lines
    assert f'BindPaths="-{written}"' in lines


def test_verify_does_find_what_is_wrong(systemd_analyze: str, tmp_path: Path) -> None:
    text = render(a_unit(Scope.SYSTEM)).replace("Type=notify", "Type=notfy")
    assert "notfy" in verified(systemd_analyze, text, scope=Scope.SYSTEM, folder=tmp_path)


def test_the_system_service_is_as_closed_as_promised(systemd_analyze: str, tmp_path: Path) -> None:
    unit_file = tmp_path / UNIT_NAME
    unit_file.write_text(render(a_unit(Scope.SYSTEM)), encoding="utf-8")
    done = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", str(unit_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    overall = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert overall is not None, done.stdout + done.stderr
    assert float(overall[1]) <= HIGHEST_EXPOSURE, done.stdout


def test_a_users_service_asks_for_nothing_that_a_users_systemd_cannot_give() -> None:
    directives = {line.split("=")[0] for line in render(a_unit(Scope.USER)).splitlines() if line[:1] != "#"}
    needs_privilege = re.compile(r"User|Group|.*Capabilit.*|Private.*|Protect.*|Bind.*Paths|RemoveIPC|.*Namespaces")
    assert [name for name in directives if needs_privilege.fullmatch(name)] == []
    assert {"NoNewPrivileges", "SystemCallFilter", "RestrictAddressFamilies", "UMask", "WatchdogSec"} <= directives


def test_home_and_workspaces_are_writable_and_the_program_is_visible() -> None:
    lines = render(a_unit(Scope.SYSTEM)).splitlines()
    assert [line for line in lines if line.startswith("Bind")] == [
        'BindPaths="-/home/ada/board"',
        'BindPaths="-/home/ada/src"',
        'BindPaths="-/srv/builds"',
        'BindReadOnlyPaths="-/home/ada/.local/share/uv/tools/dreamos-tasks"',
    ]


def test_a_program_inside_a_workspace_does_not_make_part_of_it_read_only() -> None:
    unit = a_unit(Scope.SYSTEM, home=Path("/home/ada/src"), program_paths=(Path("/home/ada/src/.venv"),))
    assert "BindReadOnlyPaths" not in render(unit)


def test_the_folder_that_systemd_makes_itself_is_not_bound_again() -> None:
    unit = a_unit(Scope.SYSTEM, home=SYSTEM_HOME, workspaces=(), program_paths=())
    assert "BindPaths" not in render(unit)


def test_the_same_value_always_gives_the_same_text() -> None:
    assert render(a_unit(Scope.SYSTEM)) == render(a_unit(Scope.SYSTEM))
    assert render(a_unit(Scope.SYSTEM)).startswith(MARK + "\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"home": Path("board")}, "absolute"),
        ({"workspaces": (Path("/srv/../etc"),)}, "absolute"),
        ({"program": Path("/opt/a\nExecStartPre=/bin/sh")}, "characters"),
        ({"program": Path("/opt/it's/dreamos-tasks")}, "quote or backslash"),
        ({"user": None}, "which user"),
        ({"user": ""}, "which user"),
        ({"user": "ada\nExecStartPre=/bin/sh"}, "user name"),
        ({"user": "%i"}, "user name"),
    ],
)
def test_a_unit_that_could_not_be_written_down_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        a_unit(Scope.SYSTEM, **given)


def test_a_users_own_service_has_no_other_user() -> None:
    with pytest.raises(UsageError, match="not as ada"):
        a_unit(Scope.USER, user="ada")
