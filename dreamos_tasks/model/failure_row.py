"""Row: one kind of failure, what it is known by, and what a person can do about it."""

from __future__ import annotations

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.value import frozen_value

NETWORK = "it may pass by itself; if not, see whether the other side runs and can be reached from here"
FEWER_REQUESTS = "let fewer run at once, or set a rate limit for the tool, so that it asks less often"
CREDENTIALS = "renew what it signs in with (password, token, key), and see that the step is given it"
RIGHTS = "give it the right to do so, or let the step use what it may use"
INSTALL = "install what is named as missing where the step runs, or correct the name"
LESS_MEMORY = "let it need less at once, raise limits.memory_bytes, or let fewer tasks run at once"
DISK_SPACE = "free space on that disk (df -h, du -sh *), or write elsewhere"
CERTIFICATE = (
    "see the date of this machine and of the certificate; add the authority that signed it to the trusted ones"
)

RATE_WORDS = (
    r"too many requests|rate.?limited|rate.?limit\w*.{0,20}(exceed|reach|hit)|(exceed|reach|hit)\w*.{0,30}rate.?limit"
    r"|quota.{0,20}exceed|exceed\w*.{0,30}quota|usage limit reached"
)


@frozen_value
class Row:
    """One kind of failure. None, or an empty text: whatever it is. `error_types` are written `package.Name`.

    `text` is a regular expression, case aside, `^` and `$` a line's.
    """

    name: str
    category: ErrorCategory
    cause: str
    suggestions: tuple[str, ...] = ()
    try_later: bool = False
    exit_codes: frozenset[int] | None = None
    http_statuses: frozenset[int] | None = None
    error_numbers: frozenset[int] | None = None
    error_types: frozenset[str] | None = None
    smtp_codes: frozenset[int] | None = None
    text: str = ""
