"""The file of secrets: read as written, for its owner only, and never quoted in an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dreamos_tasks.config.secrets import read_secrets
from dreamos_tasks.errors import ConfigError


def written(folder: Path, text: str | bytes, *, mode: int = 0o600) -> Path:
    path = folder / "secrets.env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_each_line_is_a_secret(tmp_path: Path) -> None:
    text = "# notes\n\nA=plain\nexport B = 'in quotes'\nC=\"a=b # not a note\"\n  D=x y \n"

    assert read_secrets(written(tmp_path, text)) == {
        "A": "plain",
        "B": "in quotes",
        "C": "a=b # not a note",
        "D": "x y",
    }


def test_no_file_is_no_secrets(tmp_path: Path) -> None:
    assert read_secrets(tmp_path / "secrets.env") == {}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_file_that_others_can_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, "A=canary\n", mode=mode)

    with pytest.raises(ConfigError) as caught:
        read_secrets(path)

    assert caught.value.fix == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ["A=ok\ncanary with no equals sign\n", "1A=canary\n", b"A=\xffcanary\n", "A=\n"])
def test_a_wrong_line_is_named_by_its_number_and_never_quoted(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read_secrets(written(tmp_path, text))

    assert "canary" not in f"{caught.value.message}{caught.value.cause}{caught.value.fix}"


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secrets.env", 0o600)

    with pytest.raises(ConfigError, match="no regular file"):
        read_secrets(tmp_path / "secrets.env")


def test_a_folder_is_no_file_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").mkdir(0o700)
    with pytest.raises(ConfigError, match="is no regular file"):
        read_secrets(tmp_path / "secrets.env")
