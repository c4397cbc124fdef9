"""What exit codes and HTTP statuses mean: rows of the table of failures."""

from __future__ import annotations

import signal

from dreamos_tasks.model.failure_row import CREDENTIALS, FEWER_REQUESTS, NETWORK, RATE_WORDS, RIGHTS, Row
from dreamos_tasks.model.plan import ErrorCategory

TRY_LATER_EXIT = 75  # EX_TEMPFAIL of sysexits.h
NOT_EXECUTABLE_EXIT = 126  # what shells answer
NOT_FOUND_EXIT = 127
SIGNAL_BASE = 128  # a shell answers 128 + N when signal N ended what it ran


def _signals(*numbers: int) -> frozenset[int]:
    return frozenset(SIGNAL_BASE + number for number in numbers)


# These mean one thing only, whatever the program printed.
CERTAIN_EXITS = (
    Row(
        name="exit_try_later",
        exit_codes=frozenset({TRY_LATER_EXIT}),
        category=ErrorCategory.TRANSIENT,
        cause="",
        try_later=True,
    ),
    Row(
        name="exit_not_executable",
        exit_codes=frozenset({NOT_EXECUTABLE_EXIT}),
        category=ErrorCategory.PERMISSION,
        cause="",
        suggestions=("make what its output names executable (chmod +x), or correct the command",),
    ),
    Row(
        name="exit_not_found",
        exit_codes=frozenset({NOT_FOUND_EXIT}),
        category=ErrorCategory.CONFIGURATION,
        cause="",
        suggestions=("install what its output names as not found, give its full path, or correct PATH in env",),
    ),
    Row(
        name="killed",
        exit_codes=_signals(signal.SIGKILL),
        category=ErrorCategory.RESOURCE,
        cause="",
        suggestions=("out of memory? The kernel then kills (see dmesg): let it need less, or fewer run at once",),
    ),
    Row(
        name="processor_time_used_up",
        exit_codes=_signals(signal.SIGXCPU),
        category=ErrorCategory.RESOURCE,
        cause="",
        suggestions=("it used all the processor time it may: raise the limit, or split the step",),
    ),
    Row(
        name="file_too_large",
        exit_codes=_signals(signal.SIGXFSZ),
        category=ErrorCategory.RESOURCE,
        cause="",
        suggestions=("it wrote a larger file than it may: raise the limit",),
    ),
    Row(
        name="ended_from_outside",
        exit_codes=_signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
        category=ErrorCategory.TRANSIENT,
        cause="",
        suggestions=("somebody else ended it: run it again",),
    ),
)

# By custom only: a program may use these for its own purposes, so what it printed is heard first.
CUSTOMARY_EXITS = (
    Row(
        name="crashed",
        exit_codes=_signals(
            signal.SIGSEGV,
            signal.SIGABRT,
            signal.SIGBUS,
            signal.SIGILL,
            signal.SIGFPE,
            signal.SIGTRAP,
            signal.SIGSYS,
        ),
        category=ErrorCategory.LOGIC,
        cause="",
        suggestions=("the program crashed: see what it printed last, and whether a newer version is there",),
    ),
    Row(
        name="exit_timed_out",  # of coreutils' timeout
        exit_codes=frozenset({124}),
        category=ErrorCategory.RESOURCE,
        cause="124 is what the command timeout answers when the time it was given is over",
        suggestions=("give it more time, or split the step",),
    ),
    Row(
        name="exit_usage",  # this and the next three: sysexits.h
        exit_codes=frozenset({64, 78}),
        category=ErrorCategory.CONFIGURATION,
        cause="64 and 78 are what a program answers that was called wrongly or is set up wrongly",
        suggestions=("correct the command or the settings it reads",),
    ),
    Row(
        name="exit_unavailable",
        exit_codes=frozenset({69}),
        category=ErrorCategory.TRANSIENT,
        cause="69 is what a program answers when something it needs is out of service",
        suggestions=(NETWORK,),
    ),
    Row(
        name="exit_not_allowed",
        exit_codes=frozenset({77}),
        category=ErrorCategory.PERMISSION,
        cause="77 is what a program answers that may not do what it was to do",
        suggestions=(RIGHTS,),
    ),
)

HTTP_STATUSES = (
    Row(
        name="http_rate_limited_as_forbidden",  # as GitHub answers
        http_statuses=frozenset({403}),
        text=RATE_WORDS,
        category=ErrorCategory.RESOURCE,
        cause="the server asks for fewer requests",
        suggestions=(FEWER_REQUESTS,),
    ),
    Row(
        name="http_rate_limited",
        http_statuses=frozenset({420, 429, 509, 529}),
        category=ErrorCategory.RESOURCE,
        cause="the server asks for fewer requests",
        suggestions=(FEWER_REQUESTS,),
    ),
    Row(
        name="http_storage_full",
        http_statuses=frozenset({507}),
        category=ErrorCategory.RESOURCE,
        cause="the server has no space left",
        suggestions=("free space there",),
    ),
    Row(
        name="http_not_signed_in",
        http_statuses=frozenset({401, 407, 511}),
        category=ErrorCategory.PERMISSION,
        cause="the server does not know who asks",
        suggestions=(CREDENTIALS,),
    ),
    Row(
        name="http_not_allowed",
        http_statuses=frozenset({402, 403, 451}),
        category=ErrorCategory.PERMISSION,
        cause="the server knows who asks, and does not allow it",
        suggestions=(RIGHTS,),
    ),
    # The address and the form of a request stand in the step's parameters: it never passes until somebody changes them.
    Row(
        name="http_not_there",
        http_statuses=frozenset({404, 410}),
        category=ErrorCategory.CONFIGURATION,
        cause="there is nothing at this address",
        suggestions=("correct the url; some servers answer so, too, to whom they do not know",),
    ),
    Row(
        name="http_request_wrong",
        http_statuses=frozenset({400, 405, 406, 411, 413, 414, 415, 416, 417, 422, 426, 428, 431, 501, 505, 508}),
        category=ErrorCategory.CONFIGURATION,
        cause="the server does not take a request of this form",
        suggestions=("correct the parameters of the step; its answer says what it expects",),
    ),
    Row(
        name="http_contradiction",
        http_statuses=frozenset({409, 412, 424}),
        category=ErrorCategory.LOGIC,
        cause="the request contradicts what the server has",
        suggestions=("look at what is there now, and whether the step is still right",),
    ),
    Row(
        name="http_try_again",
        http_statuses=frozenset({408, 421, 423, 425}),
        category=ErrorCategory.TRANSIENT,
        cause="the server could not take it just now",
        suggestions=(NETWORK,),
    ),
    Row(
        name="http_server_trouble",
        http_statuses=frozenset(range(500, 600)),
        category=ErrorCategory.TRANSIENT,
        cause="the server is in trouble, or out of service",
        suggestions=(NETWORK,),
    ),
    Row(
        name="http_redirected",
        http_statuses=frozenset(range(300, 400)),
        category=ErrorCategory.CONFIGURATION,
        cause="it is to be found elsewhere",
        suggestions=("give the address that the answer's location header names, or follow redirects",),
    ),
    Row(
        name="http_unexpected",
        http_statuses=frozenset((*range(100, 300), *range(400, 500))),
        category=ErrorCategory.LOGIC,
        cause="the server answered otherwise than the step expects",
        suggestions=("look at the answer; if it is right, name its status in expect_status",),
    ),
)
