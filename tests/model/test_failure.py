"""Every row of the table of failures decides what it is there for, and nothing that stands above it does."""

from __future__ import annotations

import errno
import http.client
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.errors import BoardLocked, ConfigError, InvalidTask, ToolNotFound
from dreamos_tasks.model.failure import ROWS, Diagnosis, Symptom, diagnose, row_for
from dreamos_tasks.model.failure_answers import CERTAIN_EXITS
from dreamos_tasks.model.failure_row import Row
from dreamos_tasks.model.plan import ErrorCategory


def exits(*codes: int) -> list[Symptom]:
    return [Symptom(exit_code=code) for code in codes]


def statuses(*numbers: int) -> list[Symptom]:
    return [Symptom(http_status=number) for number in numbers]


def raised(*errors: BaseException) -> list[Symptom]:
    return [Symptom(error=error) for error in errors]


def numbered(*numbers: int) -> list[Symptom]:
    return raised(*(OSError(number, "as the kernel says") for number in numbers))


def printed(*lines: str) -> list[Symptom]:
    """Each as the last line of a command that ended with 1, which by itself says nothing."""
    return [Symptom(exit_code=1, text=f"compiling\n{line}\n") for line in lines]


EXAMPLES: Mapping[str, Sequence[Symptom]] = {
    "exit_try_later": exits(75),
    "exit_not_executable": exits(126),
    "exit_not_found": exits(127),
    "killed": exits(137),
    "processor_time_used_up": exits(152),
    "file_too_large": exits(153),
    "ended_from_outside": exits(143, 130, 129),
    "http_rate_limited_as_forbidden": [Symptom(http_status=403, text="API rate limit exceeded for user 7")],
    "http_rate_limited": [*statuses(429, 420, 509, 529), Symptom(http_status=429, text="permission denied")],
    "http_storage_full": statuses(507),
    "http_not_signed_in": statuses(401, 407, 511),
    "http_not_allowed": [*statuses(402, 403, 451), Symptom(http_status=403, text="connection refused")],
    "http_not_there": statuses(404, 410),
    "http_request_wrong": statuses(400, 405, 406, 411, 413, 414, 415, 416, 417, 422, 426, 428, 431, 501, 505, 508),
    "http_contradiction": statuses(409, 412, 424),
    "http_try_again": statuses(408, 421, 423, 425),
    "http_server_trouble": [*statuses(500, 502, 503, 504, 520, 599), Symptom(http_status=503, text="disk full")],
    "http_redirected": statuses(300, 301, 302, 307, 308),
    "http_unexpected": statuses(101, 200, 204, 418, 499),
    "error_certificate": raised(ssl.SSLCertVerificationError(1, "certificate verify failed")),
    "error_tls_cut": raised(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")),
    "error_tls": raised(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
    "error_name_unknown": raised(
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    ),
    "error_disk_full": numbered(errno.ENOSPC, errno.EDQUOT),
    "error_too_large": numbered(errno.EFBIG),
    "error_out_of_memory": numbered(errno.ENOMEM),
    "error_memory_of_python": raised(MemoryError()),
    "error_machine_full": numbered(errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS),
    "error_address_taken": numbered(errno.EADDRINUSE, errno.EADDRNOTAVAIL),
    "error_disk_broken": numbered(errno.EIO),
    "error_not_allowed": numbered(errno.EACCES, errno.EPERM, errno.EROFS),
    "error_permission_of_python": raised(PermissionError("not yours")),
    "error_connection_refused": numbered(errno.ECONNREFUSED),
    "error_connection_cut": numbered(errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
    "error_unreachable": numbered(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN),
    "error_timed_out": numbered(errno.ETIMEDOUT),
    "error_busy": numbered(errno.EBUSY, errno.ETXTBSY, errno.EINTR, errno.ESTALE),
    "error_not_there": [*numbered(errno.ENOENT, errno.ENOTDIR), *raised(FileNotFoundError(errno.ENOENT, "no", "x"))],
    "error_call_wrong": numbered(errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.E2BIG, errno.ENOEXEC),
    "error_in_the_way": numbered(errno.EEXIST, errno.ENOTEMPTY),
    "error_smtp_not_allowed": raised(smtplib.SMTPAuthenticationError(535, b"5.7.8 who are you")),
    "error_smtp_full": raised(smtplib.SMTPDataError(452, b"4.3.1 insufficient storage")),
    "error_smtp_try_again": raised(smtplib.SMTPResponseException(421, "4.7.0 later"), smtplib.SMTPConnectError(450, "x")),
    "error_smtp_refused": raised(smtplib.SMTPSenderRefused(550, b"5.1.8 no such domain", "me@here")),
    "error_smtp_recipients": raised(smtplib.SMTPRecipientsRefused({"a@b": (550, b"unknown")})),
    "error_address_wrong": raised(
        httpx2.InvalidURL("no host"), httpx2.UnsupportedProtocol("gopher"), httpx2.TooManyRedirects("30")
    ),
    "error_no_answer_in_time": raised(TimeoutError(), httpx2.ReadTimeout(""), httpx2.ConnectTimeout("")),
    "error_program_took_too_long": raised(subprocess.TimeoutExpired("make", 5)),
    "error_of_the_network": raised(
        ConnectionError("gone"),
        httpx2.ConnectError("All connection attempts failed"),
        httpx2.RemoteProtocolError("half an answer"),
        http.client.IncompleteRead(b"", 7),
        http.client.RemoteDisconnected(""),
        smtplib.SMTPServerDisconnected("away"),
        EOFError(),
        BoardLocked("nexus.db", waited_seconds=5),
    ),
    "error_missing_module": raised(ModuleNotFoundError("No module named 'numpy'"), ImportError("cannot import name")),
    "error_of_the_call": raised(
        ToolNotFound("shel", nearest=("shell",)), ConfigError("wrong"), InvalidTask("wrong", pointer="/title")
    ),
    "words_disk_full": printed(
        "tar: write error: No space left on device",
        "dd: error writing 'x': Disk quota exceeded",
        "ENOSPC: no space",
        "database or disk is full",
        "the disk is full",
    ),
    "words_rate_limit": printed(
        "HTTP error 429: Too Many Requests",
        "API rate limit exceeded",
        "you have exceeded your rate limit",
        "You exceeded your current quota, please check your plan",
        "Quota 'CPUS' exceeded",
        "the request was rate limited",
        "Usage limit reached for 5 hours",
    ),
    "words_out_of_memory": printed(
        "cc1plus: out of memory allocating 65536 bytes",
        "fork: Cannot allocate memory",
        "MemoryError",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "java.lang.OutOfMemoryError: Java heap space",
        "the OOM killer was here",
    ),
    "words_machine_full": printed(
        "OSError: [Errno 24] Too many open files",
        "Error: EMFILE",
        "sh: fork: Resource temporarily unavailable",
        "RuntimeError: can't start new thread",
        "bash: fork: retry: no child processes",
    ),
    "words_address_taken": printed(
        "OSError: [Errno 98] Address already in use",
        "Error: listen EADDRINUSE :::3000",
        "port 8080 is already allocated",
    ),
    "words_certificate": printed(
        "ssl.SSLCertVerificationError: certificate verify failed: unable to get local issuer certificate",
        "curl: (60) SSL certificate problem: self-signed certificate",
        "x509: certificate signed by unknown authority",
        "the certificate has expired",
        "certificate is not yet valid",
        "net::ERR_CERT_DATE_INVALID",
        "code: 'CERT_HAS_EXPIRED'",
        "unknown certificate authority",
    ),
    "words_not_signed_in": printed(
        "fatal: Authentication failed for 'https://example.org/x.git'",
        "git@example.org: Permission denied (publickey).",
        "401 Unauthorized",
        "curl: (22) The requested URL returned error: 403 Forbidden",
        "fatal: could not read Username for 'https://example.org'",
        "Error: Invalid API key",
        "invalid credentials",
        "you are not logged in",
        "password: login required",
    ),
    "words_not_allowed": printed(
        "cp: cannot create regular file '/etc/x': Permission denied",
        "Error: EACCES, open '/etc/x'",
        "chown: changing ownership of 'x': Operation not permitted",
        "touch: cannot touch '/usr/x': Read-only file system",
        "Access is denied.",
        "are you root?",
        "this must be run as root",
        "user is not authorized to perform this",
        "insufficient permissions for operation",
    ),
    "words_name_unknown": printed(
        "curl: (6) Could not resolve host: nowhere.example",
        "ssh: Could not resolve hostname nowhere: Temporary failure in name resolution",
        "ping: nowhere: Name or service not known",
        "getaddrinfo ENOTFOUND nowhere.example",
        "dial tcp: lookup nowhere: no such host",
        "net::ERR_NAME_NOT_RESOLVED",
        "No address associated with hostname",
    ),
    "words_connection_refused": printed(
        "ssh: connect to host here port 22: Connection refused",
        "Error: connect ECONNREFUSED 127.0.0.1:1",
        "curl: (7) Failed to connect to here port 1",
        "net::ERR_CONNECTION_REFUSED",
        "OSError: [Errno 111] Connect call failed ('127.0.0.1', 1)",
    ),
    "words_connection_cut": printed(
        "curl: (56) Recv failure: Connection reset by peer",
        "Error: read ECONNRESET",
        "write: Broken pipe",
        "fatal: the remote end hung up unexpectedly",
        "curl: (52) Empty reply from server",
        "fatal: early EOF",
        "Error: socket hang up",
        "net::ERR_CONNECTION_CLOSED",
        "psycopg.OperationalError: connection was closed by the server",
    ),
    "words_unreachable": printed(
        "connect: Network is unreachable", "ssh: No route to host", "host is down", "net::ERR_INTERNET_DISCONNECTED"
    ),
    "words_timed_out": printed(
        "curl: (28) Operation timed out after 3000 milliseconds",
        "context deadline exceeded",
        "Error: ETIMEDOUT",
        "page.goto: Timeout 30000ms exceeded; net::ERR_TIMED_OUT",
        "lock timeout exceeded",
    ),
    "words_server_trouble": printed(
        "HTTP Error 503: Service Unavailable",
        "502 Bad Gateway",
        "504 Gateway Time-out",
        "500 Internal Server Error",
        "mirror is temporarily unavailable",
        "please try again later",
        "the model is overloaded",
        "HTTP/1.1 502",
    ),
    "words_locked": printed(
        "sqlite3.OperationalError: database is locked",
        "E: Could not get lock /var/lib/dpkg/lock-frontend",
        "fatal: Unable to create '/x/.git/index.lock': File exists.",
        "umount: target is busy: device or resource busy",
        "cp: cannot create regular file 'x': Text file busy",
        "ERROR: deadlock detected",
        "E: Unable to acquire the dpkg frontend lock",
        "Blocking waiting for file lock",
    ),
    "words_missing_module": printed(
        "ModuleNotFoundError: No module named 'numpy'",
        "/usr/bin/python3: No module named pytest",
        "ImportError: cannot import name 'x'",
        "Error: Cannot find module 'express'",
        "a.out: error while loading shared libraries: libx.so: cannot open shared object file",
        "ERROR: Could not find a version that satisfies the requirement nosuch",
    ),
    "words_missing_command": printed(
        "bash: line 1: frobnicate: command not found",
        "sh: 1: frobnicate: not found",
        "make: frobnicate: not found",
        'exec: "docker": executable file not found in $PATH',
        "/usr/bin/env: 'python9': No such file or directory",
        "Executable doesn't exist at /home/ada/.cache/ms-playwright/chrome",
    ),
    "words_called_wrongly": printed(
        "prog: error: unrecognized arguments: --nope",
        "ls: unrecognized option '--nope'",
        "tar: invalid option -- 'Q'",
        "Error: unknown flag: --nope",
        "Error: No such option: --nope",
        "cp: missing destination: missing operand",
        "the following arguments are required: path",
        "make: *** No rule to make target 'nope'.  Stop.",
        "sh: 1: TOKEN: parameter not set",
        "bash: TOKEN: unbound variable",
        "environment variable API_URL is not set",
    ),
    "words_not_there": printed(
        "cat: missing: No such file or directory",
        "Error: ENOENT: open 'x'",
        "FileNotFoundError: x",
        "error: pathspec: file not found",
        "relation \"x\" does not exist",
    ),
    "crashed": exits(139, 134, 135, 132, 136, 133, 159),
    "exit_timed_out": exits(124),
    "exit_usage": exits(64, 78),
    "exit_unavailable": exits(69),
    "exit_not_allowed": exits(77),
    "unknown": [*exits(1, 2, 3, 76, 255), *raised(KeyError("x"), ValueError("no"), AssertionError()), Symptom()],
}  # fmt: skip


def name_of(row: Row) -> str:
    return row.name


def test_each_row_has_its_example() -> None:
    assert list(EXAMPLES) == [row.name for row in ROWS]


@pytest.mark.parametrize(
    ("name", "symptom"),
    [
        pytest.param(name, symptom, id=f"{name}-{n}")
        for name, all_ in EXAMPLES.items()
        for n, symptom in enumerate(all_)
    ],
)
def test_the_row_decides_and_none_above_it(name: str, symptom: Symptom) -> None:
    assert row_for(symptom).name == name


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in ("exit_try_later", "unknown")], ids=name_of)
def test_a_row_says_what_a_person_can_do(row: Row) -> None:
    suggestions = diagnose(EXAMPLES[row.name][0]).suggestions
    assert suggestions
    assert all(suggestions)


@pytest.mark.parametrize("row", CERTAIN_EXITS, ids=name_of)
def test_no_words_overrule_an_exit_code_that_means_one_thing(row: Row) -> None:
    for code in row.exit_codes or ():
        for name, examples in EXAMPLES.items():
            if name.startswith("words_"):
                for example in examples:
                    assert row_for(Symptom(exit_code=code, text=example.text)) is row


def test_words_say_more_than_a_crash_or_a_customary_exit_code() -> None:
    heap = "FATAL ERROR: JavaScript heap out of memory"
    assert diagnose(Symptom(exit_code=134, text=heap)).category is ErrorCategory.RESOURCE
    assert diagnose(Symptom(exit_code=77, text="Connection refused")).category is ErrorCategory.TRANSIENT


def test_no_words_overrule_a_status_or_an_error() -> None:
    assert diagnose(Symptom(http_status=422, text="timed out")).category is ErrorCategory.CONFIGURATION
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert row_for(Symptom(error=refused, text="permission denied")).name == "error_connection_refused"


def test_what_an_error_was_raised_from_is_looked_at() -> None:
    failed = httpx2.ConnectError("All connection attempts failed")
    failed.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert row_for(Symptom(error=failed)).name == "error_connection_refused"
    wrapped = urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert row_for(Symptom(error=wrapped)).name == "error_name_unknown"
    several = OSError("several")
    several.__cause__ = ExceptionGroup("all", [OSError(errno.ENETUNREACH, "x"), ValueError()])
    assert row_for(Symptom(error=several)).name == "error_unreachable"


def test_what_was_handled_before_is_no_reason() -> None:
    error = ValueError("the answer makes no sense")
    error.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert row_for(Symptom(error=error)).name == "unknown"


def test_an_error_that_is_its_own_reason_ends_the_search() -> None:
    error, other = ValueError("a"), ValueError("b")
    error.__cause__, other.__cause__ = other, error
    assert row_for(Symptom(error=error)).name == "unknown"


def test_the_status_of_an_http_librarys_error_counts() -> None:
    request = httpx2.Request("GET", "http://localhost/")
    error = httpx2.HTTPStatusError("no", request=request, response=httpx2.Response(404, request=request))
    assert row_for(Symptom(error=error)).name == "http_not_there"
    away = urllib.error.HTTPError("http://localhost/", 503, "away", None, None)  # type: ignore[arg-type]
    assert row_for(Symptom(error=away)).name == "http_server_trouble"
    away.close()


def test_a_cause_quotes_the_line_that_decided() -> None:
    text = "one\ncurl: (7) Failed to connect to here port 1: Connection refused\nmake: *** [all] Error 7\n"
    assert diagnose(Symptom(exit_code=2, text=text)).cause == (
        "nothing listens at that address: curl: (7) Failed to connect to here port 1: Connection refused"
    )
    long = diagnose(Symptom(exit_code=2, text="Connection refused " + "x" * 1000)).cause
    assert long.endswith("x…")
    assert len(long) < 260


def test_only_the_last_words_count() -> None:
    text = "Connection refused\n" + "and then all went on\n" * 30 + "1 test failed\n"
    assert diagnose(Symptom(exit_code=1, text=text)) == Diagnosis(category=ErrorCategory.LOGIC, cause="")


def test_an_error_of_this_program_says_itself_what_to_do() -> None:
    assert diagnose(Symptom(error=ToolNotFound("shel", nearest=("shell",)))) == Diagnosis(
        category=ErrorCategory.CONFIGURATION, cause="", suggestions=("dt schema tool NAME shows what a tool takes",)
    )


def test_only_exit_75_asks_to_be_tried_later() -> None:
    assert [name for name, all_ in EXAMPLES.items() if any(diagnose(one).try_later for one in all_)] == [
        "exit_try_later"
    ]


@given(
    exit_code=st.none() | st.integers(-300, 300),
    http_status=st.none() | st.integers(-1, 1000),
    text=st.text() | st.sampled_from([one.text for all_ in EXAMPLES.values() for one in all_]),
    error=st.none() | st.sampled_from([one.error for all_ in EXAMPLES.values() for one in all_]),
)
def test_whatever_is_seen_has_a_diagnosis(
    exit_code: int | None, http_status: int | None, text: str, error: BaseException | None
) -> None:
    symptom = Symptom(exit_code=exit_code, http_status=http_status, text=text, error=error)
    assert diagnose(symptom) == diagnose(symptom)
    assert diagnose(symptom).category is row_for(symptom).category


def test_a_huge_text_is_diagnosed_at_once() -> None:
    assert diagnose(Symptom(exit_code=1, text="a: " * 2_000_000)).category is ErrorCategory.LOGIC


def test_the_table_costs_no_library_and_compiles_nothing_before_it_is_asked() -> None:
    program = (
        "import sys; from dreamos_tasks.model import failure; "
        "heavy = {'pydantic', 'httpx2', 'ssl', 'socket', 'smtplib', 'asyncio', 'loguru'} & sys.modules.keys(); "
        "print(sorted(heavy), failure._compiled.cache_info().currsize)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] 0\n"


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "errors.md"
ROWS_OF_GUIDE = re.findall(r"^\| ([0-9, ]+) \| (\w+) \|", GUIDE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("codes", "category"), ROWS_OF_GUIDE)
def test_the_guide_says_what_the_table_does(codes: str, category: str) -> None:
    for code in map(int, codes.split(",")):
        symptom = Symptom(http_status=code) if code >= 400 else Symptom(exit_code=code)
        assert (code, diagnose(symptom).category) == (code, category)
