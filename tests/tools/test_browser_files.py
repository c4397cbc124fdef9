"""What a browser brings home: under plain names, for its owner alone, and no more than may be kept."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dreamos_tasks.tools.browser_files import BrowserFiles, TooLarge
from dreamos_tasks.tools.redaction import Redactor


def files_in(folder: Path, *, limit_bytes: int = 1000) -> BrowserFiles:
    return BrowserFiles(folder, "step", limit_bytes=limit_bytes, redactor=Redactor(()))


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ("report.csv", "step-report.csv"),
        ("../../etc/passwd", "step-_.._etc_passwd"),
        ("-rf", "step-rf"),
        (".bashrc", "step-bashrc"),
        ("größe 1.csv", "step-gr_e_1.csv"),
        ("\n", "step-_"),
        ("...", "step-file"),
        ("x" * 300 + ".tar", "step-" + "x" * 80 + ".tar"),
        ("a." + "y" * 300, "step-a." + "y" * 19),
    ],
)
def test_a_name_is_no_path_whatever_a_page_says(tmp_path: Path, name: str, kept_as: str) -> None:
    kept = files_in(tmp_path).keep(name, io.BytesIO(b"content"))

    assert kept["path"] == str(tmp_path / kept_as)
    assert (tmp_path / kept_as).read_bytes() == b"content"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    for content in (b"1", b"2", b"3"):
        files.keep("page.png", io.BytesIO(content))
        files.keep("page", io.BytesIO(content))

    names = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert names == {
        "step-page.png": b"1",
        "step-page.2.png": b"2",
        "step-page.3.png": b"3",
        "step-page": b"1",
        "step-page.2": b"2",
        "step-page.3": b"3",
    }


def test_the_limit_holds_for_all_together_and_half_a_file_is_none(tmp_path: Path) -> None:
    files = files_in(tmp_path, limit_bytes=10)
    files.keep("first", io.BytesIO(b"123456"))

    with pytest.raises(TooLarge):
        files.keep("second", io.BytesIO(b"12345"))
    files.keep("third", io.BytesIO(b"1234"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-first", "step-third"]
