"""What a step of the tool `files` says: one class for each of its actions."""

from __future__ import annotations

import re
import warnings
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, Field, Strict

from dreamos_tasks.tools.texts import AnyText, Line

LONGEST_PATTERN = 1000


def _is_regex(pattern: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return pattern


def _is_glob(pattern: str) -> str:
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError("a pattern begins at path and goes downwards")
    return pattern


Path = Annotated[Line, MaxLen(4096)]
Text = AnyText
Bool = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Ge(0), Le(2**53)]
Amount = Annotated[int, Strict(), Ge(1), Le(100_000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
Encoding = Literal["utf-8", "base64"]
Glob = Annotated[Line, MaxLen(LONGEST_PATTERN), AfterValidator(_is_glob)]
Skipped = Annotated[tuple[Line, ...], MaxLen(100)]

_FORBID: Mapping[str, Any] = {"extra": "forbid"}
_PATH = "seen from the workspace, and within it"
_EXPECTED = "SHA-256 of the file as it was seen; another one is left as it is"
_SKIP = "names of files and folders to leave out, wherever they are"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParams:
    """Puts a whole file in its place, atomically; folders on the way are made."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["write"]
    path: Annotated[Path, Field(description=f"the file, {_PATH}")]
    content: Annotated[Text, Field(description="all that is in the file afterwards")]
    encoding: Annotated[Encoding, Field(description="what content is: text, or bytes in base64")] = "utf-8"
    overwrite: Annotated[Bool, Field(description="false: a file that is there already is left as it is")] = True
    expected_sha256: Annotated[Digest | None, Field(description=_EXPECTED)] = None

    def __post_init__(self) -> None:
        if self.encoding == "base64":
            try:
                b64decode(self.content, validate=True)
            except (NoBase64, ValueError) as error:
                raise ValueError(f"content is no base64: {error}") from None

    @property
    def content_bytes(self) -> bytes:
        """What is in the file afterwards."""
        return self.content.encode() if self.encoding == "utf-8" else b64decode(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadParams:
    """Gives a file's content, in pieces if it is long."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["read"]
    path: Annotated[Path, Field(description=f"the file, {_PATH}")]
    encoding: Annotated[Encoding, Field(description="text, or bytes in base64")] = "utf-8"
    offset: Annotated[Whole, Field(description="lines to pass over first (with base64: bytes)")] = 0
    limit: Annotated[Annotated[int, Strict(), Ge(1), Le(2**53)] | None, Field(description="lines at most")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditParams:
    """Replaces a text in a file by another, atomically."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["edit"]
    path: Annotated[Path, Field(description=f"the file, {_PATH}")]
    old: Annotated[
        Text, MinLen(1), Field(description="the text to replace; it occurs exactly once, unless all is true")
    ]
    new: Annotated[Text, Field(description="what stands there afterwards")]
    all: Annotated[Bool, Field(description="replace it wherever it occurs")] = False
    expected_sha256: Annotated[Digest | None, Field(description=_EXPECTED)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveParams:
    """Gives a file, link or folder another path."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["move"]
    path: Annotated[Path, Field(description=f"what to move, {_PATH}")]
    to: Annotated[Path, Field(description="its whole new path; folders on the way are made")]
    overwrite: Annotated[Bool, Field(description="replace a file that is there")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteParams:
    """Removes a file, link or folder."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["delete"]
    path: Annotated[Path, Field(description=f"what to delete, {_PATH}; of a link the link itself")]
    recursive: Annotated[Bool, Field(description="a folder with all that is in it")] = False
    missing_ok: Annotated[Bool, Field(description="it is a success when nothing is there")] = False
    keep: Annotated[Bool, Field(description="keep a copy, so that it can be undone")] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobParams:
    """Finds files by their paths."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["glob"]
    pattern: Annotated[Glob, Field(description="* and ? within a name, [abc], ** for any folders: src/**/*.py")]
    path: Annotated[Path, Field(description=f"the folder to begin at, {_PATH}")] = "."
    kind: Annotated[Literal["file", "folder", "any"], Field(description="what to find")] = "file"
    limit: Annotated[Amount, Field(description="paths at most")] = 1000
    skip: Annotated[Skipped, Field(description=_SKIP)] = (".git",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrepParams:
    """Finds lines by what stands in them."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _FORBID

    action: Literal["grep"]
    pattern: Annotated[
        Text,
        MinLen(1),
        MaxLen(LONGEST_PATTERN),
        Field(description="a regular expression (Python's), found within a line"),
    ]
    path: Annotated[Path, Field(description=f"the file or folder to search, {_PATH}")] = "."
    literal: Annotated[Bool, Field(description="the pattern is plain text")] = False
    ignore_case: Annotated[Bool, Field(description="large and small letters are the same")] = False
    glob: Annotated[Glob | None, Field(description="only files whose path fits; without a / their name: *.py")] = None
    limit: Annotated[Amount, Field(description="lines at most")] = 200
    skip: Annotated[Skipped, Field(description=_SKIP)] = (".git",)

    def __post_init__(self) -> None:
        if not self.literal:
            _is_regex(self.pattern)


FileParams = WriteParams | ReadParams | EditParams | MoveParams | DeleteParams | GlobParams | GrepParams
KINDS: Mapping[str, type[FileParams]] = {
    "write": WriteParams,
    "read": ReadParams,
    "edit": EditParams,
    "move": MoveParams,
    "delete": DeleteParams,
    "glob": GlobParams,
    "grep": GrepParams,
}
