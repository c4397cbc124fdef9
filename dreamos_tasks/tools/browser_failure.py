"""Browser failures: what an action that failed tells about itself, and what that means for the step."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.failure import Diagnosis, Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory

LONGEST_MESSAGE = 2000  # characters

_NO_SANDBOX = re.compile(r"no usable sandbox|suid sandbox|running as root without", re.IGNORECASE)
_ACTION_FIX = "see the picture named failure, and whether the selector is right; a slow page needs more timeout_seconds"
_SANDBOX_FIX = "let an unprivileged user run the daemon, or set tools.browser.options.sandbox: false in config.yaml"


class Kind(StrEnum):
    """What of a browser failed."""

    LAUNCH = "launch"  # it did not start
    STATUS = "status"  # a page answered otherwise than expected
    REFUSED = "refused"  # an address that may not be called
    CONNECTION = (
        "connection"  # an address that cannot be reached, with the number of the error; 0: its name is not known
    )
    TIMEOUT = "timeout"  # no answer in time
    WAITING = "waiting"  # nothing to act on in time
    SELECTOR = "selector"  # no selector at all
    TOO_LARGE = "too_large"
    DISK = "disk"  # a file cannot be written, with the number of the error
    LOST = "lost"  # the page or the browser is gone
    PAGE = "page"  # anything else


class Failure(Exception):
    """An action that failed. `number` is an error's or an HTTP status, `fix` what to do about it."""

    def __init__(self, kind: Kind, said: str, *, number: int = 0, fix: str = "") -> None:
        super().__init__(said)
        self.kind = kind
        self.number = number
        self.fix = fix

    @classmethod
    def of_connection(cls, error: OSError) -> Failure:
        """No connection was made."""
        said = str(error) or "no answer in time"
        if isinstance(error, socket.gaierror):
            return cls(Kind.CONNECTION, said)
        return cls(Kind.CONNECTION, said, number=error.errno or errno.ETIMEDOUT)

    def as_json(self) -> Mapping[str, object]:
        """For the process that asked."""
        said = str(self)[:LONGEST_MESSAGE]
        return {"kind": self.kind.value, "said": said, "number": self.number, "fix": self.fix}


def diagnosis_of(failure: Mapping[str, Any]) -> Diagnosis:
    """What the JSON form of a failure means."""
    said, fixes = failure["said"], (failure["fix"],) if failure["fix"] else ()
    match Kind(failure["kind"]):
        case Kind.STATUS:
            return diagnose(Symptom(http_status=failure["number"]))
        case Kind.TIMEOUT:
            return diagnose(Symptom(error=TimeoutError(said)))
        case Kind.WAITING:
            waited = diagnose(Symptom(error=TimeoutError(said)))
            return replace(waited, cause="what it is to act on was not there in time", suggestions=(_ACTION_FIX,))
        case Kind.CONNECTION if not failure["number"]:
            return diagnose(Symptom(error=socket.gaierror(said)))
        case Kind.CONNECTION | Kind.DISK:
            return diagnose(Symptom(error=OSError(failure["number"], said)))
        case Kind.LOST:
            return diagnose(Symptom(error=ConnectionResetError(said)))
        case Kind.REFUSED | Kind.SELECTOR:
            return Diagnosis(category=ErrorCategory.CONFIGURATION, cause="", suggestions=fixes)
        case Kind.TOO_LARGE:
            fix = "take less, or raise limits.output_bytes"
            return Diagnosis(category=ErrorCategory.RESOURCE, cause="", suggestions=(fix,))
        case Kind.LAUNCH if _NO_SANDBOX.search(said):
            return Diagnosis(
                category=ErrorCategory.CONFIGURATION,
                cause="its sandbox needs what this machine does not give",
                suggestions=(_SANDBOX_FIX,),
            )
        case Kind.LAUNCH | Kind.PAGE:
            return diagnose(Symptom(text=said))
