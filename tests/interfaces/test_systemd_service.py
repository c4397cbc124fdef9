"""Installing the service into a folder of the test's own, where no systemd looks."""

from __future__ import annotations

import getpass
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dreamos_tasks.errors import DreamosError, Refused, UsageError
from dreamos_tasks.interfaces.systemd.service import Service, this_installation
from dreamos_tasks.interfaces.systemd.systemctl import Systemctl
from dreamos_tasks.interfaces.systemd.unit import UNIT_NAME, Scope, ServiceUnit, render
from dreamos_tasks.interfaces.systemd.unit_file import UnitFile, unit_directory


@pytest.fixture
def board_home(tmp_path: Path) -> Path:
    folder = tmp_path / "board"
    folder.mkdir()
    return folder


@pytest.fixture
def unit(board_home: Path) -> ServiceUnit:
    return ServiceUnit(
        scope=Scope.SYSTEM, program=Path("/usr/bin/true"), home=board_home, user=getpass.getuser(), tasks_max=100
    )


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(Scope.SYSTEM, directory=tmp_path / "etc" / "systemd" / "system")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_install_writes_the_unit_and_says_what_is_left_to_do(service: Service, unit: ServiceUnit) -> None:
    report = service.install(unit)
    assert report.changed
    assert report.problem == ""
    assert report.done == (f"wrote {service.file.path}",)
    assert report.remaining == (
        "systemctl daemon-reload",
        f"systemctl enable {UNIT_NAME}",
        f"systemctl restart {UNIT_NAME}",
    )
    assert "not where systemd looks" in report.hints[0]
    assert service.file.path.read_text(encoding="utf-8") == render(unit)
    assert stat.S_IMODE(service.file.path.stat().st_mode) == 0o644


def test_the_unit_is_readable_to_systemd_under_a_private_umask(service: Service, unit: ServiceUnit) -> None:
    before = os.umask(0o077)
    try:
        service.install(unit)
    finally:
        os.umask(before)
    assert stat.S_IMODE(service.file.path.stat().st_mode) == 0o644


def test_install_again_changes_nothing_and_leaves_nothing_beside(service: Service, unit: ServiceUnit) -> None:
    service.install(unit)
    before = service.file.path.stat()
    report = service.install(unit)
    assert not report.changed
    assert report.done == (f"{service.file.path} is up to date",)
    assert f"systemctl start {UNIT_NAME}" in report.remaining
    assert service.file.path.stat().st_ino == before.st_ino
    assert names(service.file.directory) == [UNIT_NAME]


def test_install_with_another_value_replaces_our_own_unit(
    service: Service, unit: ServiceUnit, board_home: Path
) -> None:
    service.install(unit)
    other = ServiceUnit(scope=Scope.SYSTEM, program=Path("/usr/bin/true"), home=board_home, user=unit.user)
    assert service.install(other).changed
    assert service.file.path.read_text(encoding="utf-8") == render(other)


def test_the_commands_for_a_users_service_name_the_user_and_warn_of_the_logout(
    tmp_path: Path, board_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.systemd.service.LINGER_FOLDER", tmp_path)
    service = Service(Scope.USER, directory=tmp_path / "user")
    unit = ServiceUnit(scope=Scope.USER, program=Path("/usr/bin/true"), home=board_home)
    report = service.install(unit)
    assert report.remaining[0] == "systemctl --user daemon-reload"
    assert f"loginctl enable-linger {getpass.getuser()}" in report.hints[-1]
    (tmp_path / getpass.getuser()).touch()
    assert not any("linger" in hint for hint in service.install(unit).hints)


@pytest.mark.parametrize("text", ["[Service]\nExecStart=/opt/other\n", "", "\n# Written by `dreamos-tasks"])
def test_a_strangers_unit_is_neither_overwritten_nor_removed(service: Service, unit: ServiceUnit, text: str) -> None:
    service.file.directory.mkdir(parents=True)
    service.file.path.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="is not ours"):
        service.install(unit)
    with pytest.raises(Refused, match="is not ours"):
        service.uninstall()
    assert service.file.path.read_text(encoding="utf-8") == text
    assert not service.status().ours


def test_a_masked_unit_stays_masked(service: Service, unit: ServiceUnit) -> None:
    service.file.directory.mkdir(parents=True)
    service.file.path.symlink_to("/dev/null")
    with pytest.raises(Refused) as refused:
        service.install(unit)
    assert "systemctl mask" in refused.value.cause
    with pytest.raises(Refused):
        service.uninstall()
    assert service.file.path.readlink() == Path("/dev/null")


def test_uninstall_removes_the_unit_and_what_enabled_it_and_nothing_else(service: Service, unit: ServiceUnit) -> None:
    service.install(unit)
    wants = service.file.directory / "multi-user.target.wants"
    wants.mkdir()
    (wants / UNIT_NAME).symlink_to(service.file.path)
    (wants / "other.service").touch()
    drop_in = service.file.directory / f"{UNIT_NAME}.d"
    drop_in.mkdir()
    report = service.uninstall()
    assert report.changed
    assert report.done == (f"removed {wants / UNIT_NAME}", f"removed {service.file.path}")
    assert names(service.file.directory) == [drop_in.name, wants.name]
    assert names(wants) == ["other.service"]


def test_uninstall_again_is_no_error(service: Service, unit: ServiceUnit) -> None:
    service.install(unit)
    service.uninstall()
    report = service.uninstall()
    assert not report.changed
    assert report.done == (f"there is no {service.file.path}",)


def test_status_tells_what_can_be_told_without_systemd(service: Service, unit: ServiceUnit) -> None:
    before = service.status()
    assert (before.installed, before.ours, before.reachable) == (False, False, False)
    service.install(unit)
    after = service.status()
    assert (after.installed, after.ours, after.reachable) == (True, True, False)
    assert (after.active_state, after.main_pid) == ("", None)


def test_what_could_not_start_is_refused_before_anything_is_written(
    service: Service, tmp_path: Path, board_home: Path
) -> None:
    good: dict[str, object] = {
        "scope": Scope.SYSTEM,
        "program": Path("/usr/bin/true"),
        "home": board_home,
        "user": getpass.getuser(),
    }
    wrong: Mapping[str, object]
    for wrong, said in (
        ({"program": tmp_path / "missing"}, "not a program"),
        ({"program": tmp_path}, "not a program"),
        ({"home": tmp_path / "missing"}, "no folder"),
        ({"workspaces": (tmp_path / "missing",)}, "no folder"),
        ({"user": "no-such-user"}, "no user"),
    ):
        with pytest.raises(UsageError, match=said):
            service.install(ServiceUnit(**(good | dict(wrong))))  # type: ignore[arg-type]
    assert not service.file.directory.exists()


def test_a_service_does_not_run_as_another_than_the_boards_owner(service: Service) -> None:
    somebody_else = "daemon" if getpass.getuser() != "daemon" else "bin"
    home = Path(__file__).parent
    unit = ServiceUnit(scope=Scope.SYSTEM, program=Path("/usr/bin/true"), home=home, user=somebody_else)
    with pytest.raises(UsageError, match="does not belong to") as refused:
        service.install(unit)
    assert f"--run-as {home.owner()}" in refused.value.fix


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write anywhere, so for as long as the test it is nobody."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_be_written_is_refused_with_the_way_out() -> None:
    with pytest.raises(Refused, match=r"may not write /etc/dreamos-tasks\.service") as refused:
        UnitFile(Path("/etc")).write("")
    assert "sudo" in refused.value.fix
    assert "--user" in refused.value.fix


def test_a_folder_that_cannot_be_made_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "systemd").touch()
    with pytest.raises(DreamosError, match="cannot write") as failed:
        UnitFile(tmp_path / "systemd" / "user").write("")
    assert "Not a directory" in failed.value.cause


def test_without_systemctl_no_systemd_is_reachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    systemctl = Systemctl(scope=Scope.SYSTEM)
    assert not systemctl.is_reachable()
    assert not systemctl.ask("daemon-reload").ok
    assert systemctl.properties(UNIT_NAME, ("ActiveState",)) == {}


def test_where_systemd_is_offline_it_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMD_OFFLINE", "1")
    assert not Systemctl(scope=Scope.SYSTEM).is_reachable()


def test_units_go_where_systemd_looks_for_them() -> None:
    assert unit_directory(Scope.SYSTEM) == Path("/etc/systemd/system")
    assert unit_directory(Scope.USER, environ={"XDG_CONFIG_HOME": "/xdg"}) == Path("/xdg/systemd/user")
    unset: dict[str, str]
    for unset in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert unit_directory(Scope.USER, environ=unset) == Path.home() / ".config" / "systemd" / "user"


def test_the_running_environments_command_is_what_systemd_starts() -> None:
    program, folders = this_installation()
    assert program.name == "dreamos-tasks"
    assert os.access(program, os.X_OK)
    assert all(folder.is_dir() for folder in folders)
    assert any((folder / "errors" / "__init__.py").is_file() for folder in folders)
