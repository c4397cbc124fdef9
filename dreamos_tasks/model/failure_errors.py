"""What the errors of Python and its libraries mean, by their type and number: rows of the table of failures."""

from __future__ import annotations

import errno

from dreamos_tasks.model.failure_row import (
    CERTIFICATE,
    CREDENTIALS,
    DISK_SPACE,
    INSTALL,
    LESS_MEMORY,
    NETWORK,
    RIGHTS,
    Row,
)
from dreamos_tasks.model.plan import ErrorCategory

ERRORS = (
    Row(
        name="error_certificate",
        error_types=frozenset({"ssl.SSLCertVerificationError"}),
        category=ErrorCategory.CONFIGURATION,
        cause="the certificate of the other side is not trusted here",
        suggestions=(CERTIFICATE,),
    ),
    Row(
        name="error_tls_cut",
        error_types=frozenset({"ssl.SSLEOFError", "ssl.SSLZeroReturnError"}),
        category=ErrorCategory.TRANSIENT,
        cause="the other side ended the connection",
        suggestions=(NETWORK,),
    ),
    Row(
        name="error_tls",
        error_types=frozenset({"ssl.SSLError"}),
        category=ErrorCategory.CONFIGURATION,
        cause="no encrypted connection could be agreed on",
        suggestions=("see whether that port speaks TLS at all (http or https), and which versions of it",),
    ),
    Row(
        name="error_name_unknown",
        error_types=frozenset({"socket.gaierror", "socket.herror"}),
        category=ErrorCategory.TRANSIENT,
        cause="no address was found for the name of the other side",
        suggestions=("see whether the name is spelled right and this machine reaches a name server",),
    ),
    Row(
        name="error_disk_full",
        error_numbers=frozenset({errno.ENOSPC, errno.EDQUOT}),
        category=ErrorCategory.RESOURCE,
        cause="no space is left on the disk",
        suggestions=(DISK_SPACE,),
    ),
    Row(
        name="error_too_large",
        error_numbers=frozenset({errno.EFBIG}),
        category=ErrorCategory.RESOURCE,
        cause="the file became larger than it may",
        suggestions=("raise the limit, or write less",),
    ),
    Row(
        name="error_out_of_memory",
        error_numbers=frozenset({errno.ENOMEM}),
        category=ErrorCategory.RESOURCE,
        cause="no memory is left",
        suggestions=(LESS_MEMORY,),
    ),
    Row(
        name="error_memory_of_python",
        error_types=frozenset({"builtins.MemoryError"}),
        category=ErrorCategory.RESOURCE,
        cause="no memory is left",
        suggestions=(LESS_MEMORY,),
    ),
    Row(
        name="error_machine_full",
        error_numbers=frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EUSERS}),
        category=ErrorCategory.RESOURCE,
        cause="no more processes, threads or open files are allowed",
        suggestions=("let fewer run at once, or raise the limits of the machine (ulimit -a)",),
    ),
    Row(
        name="error_address_taken",
        error_numbers=frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL}),
        category=ErrorCategory.RESOURCE,
        cause="the port or address is in use by another program, or not this machine's",
        suggestions=("end what uses it (ss -ltnp), or choose another port",),
    ),
    Row(
        name="error_disk_broken",
        error_numbers=frozenset({errno.EIO}),
        category=ErrorCategory.RESOURCE,
        cause="the disk could not read or write",
        suggestions=("see dmesg: the disk may be failing",),
    ),
    Row(
        name="error_not_allowed",
        error_numbers=frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
        category=ErrorCategory.PERMISSION,
        cause="the user that runs this may not do it",
        suggestions=(RIGHTS,),
    ),
    Row(
        name="error_permission_of_python",
        error_types=frozenset({"builtins.PermissionError"}),
        category=ErrorCategory.PERMISSION,
        cause="the user that runs this may not do it",
        suggestions=(RIGHTS,),
    ),
    Row(
        name="error_connection_refused",
        error_numbers=frozenset({errno.ECONNREFUSED}),
        category=ErrorCategory.TRANSIENT,
        cause="nothing listens at that address",
        suggestions=("start what should listen there, or correct the host and port",),
    ),
    Row(
        name="error_connection_cut",
        error_numbers=frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN}),
        category=ErrorCategory.TRANSIENT,
        cause="the other side ended the connection",
        suggestions=(NETWORK,),
    ),
    Row(
        name="error_unreachable",
        error_numbers=frozenset(
            {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETRESET, errno.ENONET}
        ),
        category=ErrorCategory.TRANSIENT,
        cause="no way leads to that address",
        suggestions=("see whether this machine is online (ip route), and the address right",),
    ),
    Row(
        name="error_timed_out",
        error_numbers=frozenset({errno.ETIMEDOUT}),
        category=ErrorCategory.TRANSIENT,
        cause="the other side did not answer in time",
        suggestions=(NETWORK,),
    ),
    Row(
        name="error_busy",
        error_numbers=frozenset({errno.EBUSY, errno.ETXTBSY, errno.EINTR, errno.ESTALE, errno.EDEADLK, errno.ENOLCK}),
        category=ErrorCategory.TRANSIENT,
        cause="another program uses it at this moment",
        suggestions=("it may pass by itself; if not, see who holds it (lsof, fuser)",),
    ),
    Row(
        name="error_not_there",
        error_numbers=frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}),
        category=ErrorCategory.CONFIGURATION,
        cause="a file or folder that it names is not there",
        suggestions=(
            "correct the path (a relative one begins at the task's workspace), or let an earlier step make it",
        ),
    ),
    Row(
        name="error_call_wrong",
        error_numbers=frozenset(
            {errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.E2BIG, errno.ENOEXEC, errno.EXDEV}
        ),
        category=ErrorCategory.CONFIGURATION,
        cause="the machine cannot be asked for that",
        suggestions=("correct the parameters of the step",),
    ),
    Row(
        name="error_in_the_way",
        error_numbers=frozenset({errno.EEXIST, errno.ENOTEMPTY}),
        category=ErrorCategory.LOGIC,
        cause="something is already there",
        suggestions=("look at what is there, and whether the step is still right",),
    ),
    Row(
        name="error_smtp_not_allowed",
        smtp_codes=frozenset({530, 534, 535, 538}),
        category=ErrorCategory.PERMISSION,
        cause="the mail server does not accept who sends",
        suggestions=(CREDENTIALS,),
    ),
    Row(
        name="error_smtp_full",
        smtp_codes=frozenset({452, 552}),
        category=ErrorCategory.RESOURCE,
        cause="the mail server, or the mailbox, has no space for it",
        suggestions=("send less, or free space there",),
    ),
    Row(
        name="error_smtp_try_again",
        smtp_codes=frozenset(range(400, 500)),
        category=ErrorCategory.TRANSIENT,
        cause="the mail server could not take it just now",
        suggestions=(NETWORK,),
    ),
    Row(
        name="error_smtp_refused",
        smtp_codes=frozenset(range(500, 600)),
        category=ErrorCategory.CONFIGURATION,
        cause="the mail server does not take this message",
        suggestions=("correct sender, recipients or message; its answer says what is wrong",),
    ),
    Row(
        name="error_smtp_recipients",
        error_types=frozenset({"smtplib.SMTPRecipientsRefused", "smtplib.SMTPNotSupportedError"}),
        category=ErrorCategory.CONFIGURATION,
        cause="the mail server does not take this message",
        suggestions=("correct sender, recipients or message; its answer says what is wrong",),
    ),
    Row(
        name="error_address_wrong",
        error_types=frozenset(
            {
                "httpx2.InvalidURL",
                "httpx2.UnsupportedProtocol",
                "httpx2.LocalProtocolError",
                "httpx2.TooManyRedirects",
                "http.InvalidURL",
            }
        ),
        category=ErrorCategory.CONFIGURATION,
        cause="the address cannot be asked for, or leads in a circle",
        suggestions=("correct the url",),
    ),
    Row(
        name="error_no_answer_in_time",
        error_types=frozenset({"builtins.TimeoutError", "httpx2.TimeoutException", "playwright.TimeoutError"}),
        category=ErrorCategory.TRANSIENT,
        cause="no answer came in time",
        suggestions=("it may pass by itself; if not, give it more time",),
    ),
    Row(
        name="error_program_took_too_long",
        error_types=frozenset({"subprocess.TimeoutExpired"}),
        category=ErrorCategory.RESOURCE,
        cause="the program was not done within its time",
        suggestions=("give the step more timeout_seconds, or split it",),
    ),
    Row(
        name="error_of_the_network",
        error_types=frozenset(
            {
                "builtins.ConnectionError",
                "httpx2.TransportError",
                "http.IncompleteRead",
                "smtplib.SMTPServerDisconnected",
                "smtplib.SMTPConnectError",
                "builtins.EOFError",  # asyncio.IncompleteReadError, too
                "dreamos_tasks.BoardUnavailable",
            }
        ),
        category=ErrorCategory.TRANSIENT,
        cause="the connection could not be made, or did not hold",
        suggestions=(NETWORK,),
    ),
    Row(
        name="error_missing_module",
        error_types=frozenset({"builtins.ImportError"}),
        category=ErrorCategory.CONFIGURATION,
        cause="a module that it needs is not installed, or does not have what is taken from it",
        suggestions=(INSTALL,),
    ),
    Row(
        name="error_of_the_call",
        error_types=frozenset({"dreamos_tasks.UsageError", "dreamos_tasks.NotFound", "dreamos_tasks.InvalidInput"}),
        category=ErrorCategory.CONFIGURATION,
        cause="",
        suggestions=("correct the step",),
    ),
)
