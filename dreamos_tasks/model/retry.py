"""When the next attempt of a failed task is, if there is one. Pure: chance comes in as a number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.constraints import Attempts, Count, Factor, Seconds

# What another attempt can mend without anybody changing anything; and what who asks for retries of its own means by it.
RETRIED_BY_DEFAULT = (ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE)
RETRIED_BY_OWN_POLICY = (ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE, ErrorCategory.LOGIC)
LONGEST_PAUSE_SECONDS = 366 * 86_400.0  # whatever a policy says: an instant beyond the calendar's end cannot be written


@frozen_value
class RetryPolicy:
    """How often and how soon a failed task or step is tried again: exponential backoff with full jitter.

    `max_attempts` counts failures, the first included. `categories` None means: transient and resource by the board's own
    policy; everything but configuration and permission when the task or step brings its own. `refresh` is a shell line that
    renews what the work signs in with: with it a step that failed for want of permission is tried once more, after the
    line has run. `after_crash`: whether a step that was cut in the middle may
    run again; None: it may, if the step or task asks itself for more than one attempt. Source of the jitter:
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """

    max_attempts: Attempts = 3
    base_seconds: Seconds = 2.0
    factor: Factor = 2.0
    max_seconds: Seconds = 300.0
    jitter: str = "full"  # full | none
    max_deferrals: Count = 100
    categories: tuple[ErrorCategory, ...] | None = None
    refresh: str = ""
    after_crash: bool | None = None

    def delay(self, failures: int, *, roll: float) -> timedelta:
        """How long to wait after the `failures`-th failure; `roll` in [0, 1) is the chance taken."""
        ceiling = min(self.max_seconds, LONGEST_PAUSE_SECONDS)
        try:
            ceiling = min(ceiling, self.base_seconds * float(self.factor) ** (failures - 1))
        except OverflowError:  # beyond all floats
            ceiling = ceiling if self.base_seconds else 0.0
        return timedelta(seconds=ceiling * roll if self.jitter == "full" else ceiling)

    def tries_again(self, category: ErrorCategory, *, failures: int, own: bool, of_category: int = 0) -> bool:
        """Whether the `failures`-th failure is followed by another attempt.

        `own`: the task or step says itself how often. `of_category`: how often the same step has failed in this category,
        now included; 0 when it was no step that failed, so that there is nothing to refresh for.
        """
        if failures >= self.max_attempts:
            return False
        if self.categories is not None:
            return category in self.categories
        if category is ErrorCategory.PERMISSION:
            return bool(self.refresh) and of_category == 1
        return category in (RETRIED_BY_OWN_POLICY if own else RETRIED_BY_DEFAULT)


DEFAULT_RETRY = RetryPolicy()
