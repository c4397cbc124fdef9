"""Settings are validated once: what the hot path imports, and when the kept ones no longer hold."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dreamos_tasks.config.cache import _checksum, settings_for
from dreamos_tasks.config.home import Home, user_config
from dreamos_tasks.config.settings import Settings, ToolSettings
from dreamos_tasks.errors import ConfigError

HEAVY = ("pydantic", "yaml", "annotated_types", "typing_extensions", "platformdirs", "asyncio", "importlib.metadata")
SCRIPT = f"""
import sys
from dreamos_tasks.config import find_home, settings_for
lease = settings_for(find_home(sys.argv[1])).claims.lease_seconds
print(lease, *[name for name in {HEAVY} if name in sys.modules])
"""


def in_a_process(home: Home, environ: dict[str, str]) -> list[str]:
    """The lease that a new process sees, and which heavy modules it imported for that."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-c", SCRIPT, str(home.path)]
    ran = subprocess.run(
        command, env=environ | {"PYTHONPATH": path}, cwd=home.path, capture_output=True, text=True, check=True
    )
    return ran.stdout.split()


def configured(home: Home, lease_seconds: int) -> None:
    home.config.write_text(f"dreamos_tasks: 1\nclaims:\n  lease_seconds: {lease_seconds}\n")


def test_without_files_and_variables_nothing_heavy_is_imported(home: Home, environ: dict[str, str]) -> None:
    assert in_a_process(home, environ) == ["900.0"]
    assert not home.settings_cache.exists()


def test_what_was_checked_once_is_read_without_anything_heavy(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    lease, *imported = in_a_process(home, environ)
    assert lease == "500.0"
    assert "pydantic" in imported
    assert in_a_process(home, environ) == ["500.0"]


def test_variables_alone_are_kept_too(home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"] = "2"
    assert in_a_process(home, environ)[0] == "2.0"
    assert in_a_process(home, environ) == ["2.0"]


def test_kept_settings_are_the_same_values(home: Home, environ: dict[str, str]) -> None:
    home.config.write_text(
        "tools:\n  shell: {timeout_seconds: 5, breaker: {failures: 2}}\ndaemon: {environment: [PATH]}\n"
    )
    first = settings_for(home, environ)
    assert home.settings_cache.exists()
    kept = settings_for(home, environ)
    assert kept == first
    assert kept is not first
    assert isinstance(kept.tools["shell"], ToolSettings)
    assert kept.daemon.environment == ("PATH",)


def test_a_changed_file_is_read_anew(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    assert settings_for(home, environ).claims.lease_seconds == 500
    configured(home, 600)
    assert settings_for(home, environ).claims.lease_seconds == 600


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_anew(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    before = home.config.stat()
    other = home.path / "other.yaml"
    other.write_text(home.config.read_text().replace("500", "600"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(home.config)
    assert settings_for(home, environ).claims.lease_seconds == 600


def test_a_users_file_that_appears_is_read(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    user = user_config(environ)
    user.parent.mkdir(parents=True)
    user.write_text("claims: {max_lost_leases: 4}\n")
    assert settings_for(home, environ).claims.max_lost_leases == 4


def test_a_removed_file_is_no_longer_heard(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    home.config.unlink()
    assert settings_for(home, environ) == Settings()


def test_a_variable_that_comes_or_goes_is_heard(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    with_variable = environ | {"DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "2"}
    assert settings_for(home, with_variable).claims.lease_seconds == 2
    assert settings_for(home, environ).claims.lease_seconds == 500


def test_variables_of_a_running_task_change_nothing(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    assert in_a_process(home, environ | {"DREAMOS_TASKS_TASK_ID": "dt-7k2m", "DREAMOS_TASKS_AGENT": "ada"}) == ["500.0"]


def test_another_releases_cache_is_not_believed(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    document = json.loads(home.settings_cache.read_text())
    assert '"release": ["' in document["content"]
    in_place_of(home.settings_cache, document["content"].replace('"release": ["', '"release": ["9.'))
    assert "pydantic" in in_a_process(home, environ)


def in_place_of(cache: Path, content: str) -> None:
    """Write a cache whose checksum is right."""
    cache.write_text(json.dumps({"checksum": _checksum(content.encode()), "content": content}))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"checksum": 0, "content": ""}', b'{"checksum": 1}'],
)
def test_a_broken_cache_is_ignored_and_made_anew(content: bytes, home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    home.settings_cache.write_bytes(content)
    assert settings_for(home, environ).claims.lease_seconds == 500
    assert home.settings_cache.read_bytes() != content


def test_a_cache_with_one_byte_changed_is_ignored(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    kept = home.settings_cache.read_text()
    home.settings_cache.write_text(kept.replace("500.0", "501.0"))
    assert settings_for(home, environ).claims.lease_seconds == 500
    assert home.settings_cache.read_text() == kept


def test_a_cache_that_lacks_a_setting_is_ignored(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    content = json.loads(json.loads(home.settings_cache.read_text())["content"])
    del content["settings"]["claims"]
    in_place_of(home.settings_cache, json.dumps(content))
    assert settings_for(home, environ).claims.lease_seconds == 500


def test_the_cache_is_for_its_owner_alone(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    assert stat.S_IMODE(home.settings_cache.stat().st_mode) == 0o600
    assert [file.name for file in home.runtime.iterdir()] == [".settings.json"]


@pytest.mark.parametrize("spoil", ["others write", "symlink"])
def test_a_cache_that_others_may_have_written_is_ignored(spoil: str, home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    forged = json.loads(home.settings_cache.read_text())["content"].replace("500.0", "501.0")
    in_place_of(home.settings_cache, forged)
    assert settings_for(home, environ).claims.lease_seconds == 501  # believed, as long as it is ours alone
    if spoil == "symlink":
        home.settings_cache.rename(home.path / "elsewhere.json")
        home.settings_cache.symlink_to(home.path / "elsewhere.json")
    else:
        home.settings_cache.chmod(0o666)
    assert settings_for(home, environ).claims.lease_seconds == 500


def test_a_home_that_cannot_be_written_works_without_a_cache(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    shutil.rmtree(home.runtime)
    home.runtime.write_text("no folder, so that not even root can write into it")
    assert settings_for(home, environ).claims.lease_seconds == 500
    assert settings_for(home, environ).claims.lease_seconds == 500


def test_no_runtime_folder_is_made_for_the_cache(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    home.runtime.rmdir()
    assert settings_for(home, environ).claims.lease_seconds == 500
    assert not home.runtime.exists()


def test_a_password_is_not_copied_into_the_cache(home: Home, environ: dict[str, str]) -> None:
    environ |= {"DREAMOS_TASKS_BOARD__STORE": "postgres", "DREAMOS_TASKS_BOARD__URL": "postgresql://ada:c4nary@here/b"}
    assert settings_for(home, environ).board.url == "postgresql://ada:c4nary@here/b"
    assert not list(home.runtime.iterdir())


def test_wrong_settings_are_refused_each_time(home: Home, environ: dict[str, str]) -> None:
    configured(home, 500)
    settings_for(home, environ)
    configured(home, -1)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"claims\.lease_seconds is -1"):
            settings_for(home, environ)


def test_a_file_in_a_ring_of_links_is_refused_and_not_taken_for_missing(home: Home, environ: dict[str, str]) -> None:
    home.config.symlink_to(home.config)
    with pytest.raises(ConfigError, match="it cannot be read"):
        settings_for(home, environ)
