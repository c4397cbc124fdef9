"""What others wrote for the dashboard is, byte for byte, what their packages hold."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from importlib.resources import files
from typing import Any

import pytest

DASHBOARD = files("dreamos_tasks.interfaces.http.dashboard")
VENDOR = DASHBOARD / "vendor"
PACKAGES: list[dict[str, Any]] = json.loads((VENDOR / "vendored.json").read_text())
FILES = [(package, file) for package in PACKAGES for file in package["files"]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("package", "file"), FILES, ids=[file["file"] for _, file in FILES])
def test_a_vendored_file_is_as_its_package_has_it_but_for_the_names_it_imports(
    package: dict[str, Any], file: dict[str, Any]
) -> None:
    content = (VENDOR / file["file"]).read_bytes()
    assert sha256(content) == file["sha256"]
    for before, after in file.get("replaced", ()):
        content = content.replace(after.encode(), before.encode())
    assert sha256(content) == file.get("sha256_before", file["sha256"])
    assert package["integrity"].startswith("sha512-")


def test_every_vendored_file_is_listed_with_its_licence() -> None:
    listed = {file["file"] for _, file in FILES} | {package["licence_file"] for package in PACKAGES}
    assert {each.name for each in VENDOR.iterdir()} == listed | {"vendored.json"}
    for package in PACKAGES:
        assert "opyright" in (VENDOR / package["licence_file"]).read_text()


def test_the_pages_load_nothing_from_elsewhere_and_have_nothing_inline() -> None:
    pages = [each for folder in ("script", "style") for each in (DASHBOARD / "page" / folder).iterdir()]
    for page in pages:
        found = re.findall(r"""(?:from|import\(?|url\()\s*["'(]?(https?:)?//""", page.read_text())
        assert not found, page.name
    index = (DASHBOARD / "page" / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", index)


def imports_of(path: str) -> set[str]:
    """What a module imports at once, by its place in the dashboard's folder."""
    text = (DASHBOARD / path).read_text()
    named = re.findall(r"""(?:from|^import) ?"(\.[^"]+)";?""", text, re.MULTILINE)
    return {posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in named}


def all_imports_of(path: str, *, seen: set[str]) -> set[str]:
    for name in imports_of(path) - seen:
        seen.add(name)
        all_imports_of(name, seen=seen)
    return seen


def test_every_module_that_is_imported_is_there() -> None:
    for script in (DASHBOARD / "page" / "script").iterdir():
        for name in imports_of(f"page/script/{script.name}"):
            assert (DASHBOARD / name).is_file(), f"{script.name} imports {name}"


def test_the_page_names_all_modules_that_it_loads_at_once_so_that_none_waits_for_another() -> None:
    index = (DASHBOARD / "page" / "index.html").read_text()
    named = set(re.findall(r'rel="modulepreload" href="([^"]+)"', index))
    assert named == all_imports_of("page/script/app.js", seen=set())
