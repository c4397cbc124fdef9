"""What others wrote for the dashboard is, byte for byte, what their packages hold."""

from __future__ import annotations

import hashlib
import json
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


def test_every_module_that_is_imported_is_there() -> None:
    scripts = {each.name: each.read_text() for each in (DASHBOARD / "page" / "script").iterdir()}
    for name, text in scripts.items():
        for target in re.findall(r"""from "\./([^"]+)";""", text):
            assert target in scripts, f"{name} imports {target}"
        for target in re.findall(r"""from "\.\./\.\./vendor/([^"]+)";""", text):
            assert (VENDOR / target).is_file(), f"{name} imports {target}"
