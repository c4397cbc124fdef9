"""What the last words of a program or a server tell of its failure: rows of the table of failures."""

from __future__ import annotations

from dreamos_tasks.model.failure_row import (
    CERTIFICATE,
    CREDENTIALS,
    DISK_SPACE,
    FEWER_REQUESTS,
    INSTALL,
    LESS_MEMORY,
    NETWORK,
    RATE_WORDS,
    RIGHTS,
    Row,
)
from dreamos_tasks.model.plan import ErrorCategory

WORDS = (
    Row(
        name="words_disk_full",
        text=r"no space left on device|disk quota exceeded|\bdisk (is )?full\b|\bENOSPC\b|database or disk is full",
        category=ErrorCategory.RESOURCE,
        cause="no space is left on the disk",
        suggestions=(DISK_SPACE,),
    ),
    Row(
        name="words_rate_limit",
        text=RATE_WORDS,
        category=ErrorCategory.RESOURCE,
        cause="the other side asks for fewer requests",
        suggestions=(FEWER_REQUESTS,),
    ),
    Row(
        name="words_out_of_memory",
        text=r"\bout of memory\b|cannot allocate memory|\bMemoryError\b|std::bad_alloc|OutOfMemoryError|\bOOM.?kill",
        category=ErrorCategory.RESOURCE,
        cause="no memory was left",
        suggestions=(LESS_MEMORY,),
    ),
    Row(
        name="words_machine_full",
        text=r"too many open files|\bEMFILE\b|resource temporarily unavailable|can't start new thread|fork: retry",
        category=ErrorCategory.RESOURCE,
        cause="no more processes, threads or open files are allowed",
        suggestions=("let fewer run at once, or raise the limits of the machine (ulimit -a)",),
    ),
    Row(
        name="words_address_taken",
        text=r"address already in use|\bEADDRINUSE\b|port \d+ is already (in use|allocated)",
        category=ErrorCategory.RESOURCE,
        cause="the port is in use by another program",
        suggestions=("end what uses it (ss -ltnp), or choose another port",),
    ),
    Row(
        name="words_certificate",
        text=(
            r"certificate verify failed|certificate has expired|certificate is not (yet )?valid|self.signed certificate"
            r"|SSL certificate problem|unable to get (local )?issuer certificate|unknown certificate authority"
            r"|certificate signed by unknown authority|ERR_CERT_\w+|\bCERT_HAS_EXPIRED\b"
        ),
        category=ErrorCategory.CONFIGURATION,
        cause="the certificate of the other side is not trusted here",
        suggestions=(CERTIFICATE,),
    ),
    Row(
        name="words_not_signed_in",
        text=(
            r"authentication (failed|required)|permission denied \(publickey|\b401\b.{0,12}unauthorized|could not read username"
            r"|(invalid|incorrect|expired|bad|missing) (api.?key|credentials?|password|username|(access |auth )?token)"
            r"|not logged in|login required|\b403\b.{0,12}forbidden"
        ),
        category=ErrorCategory.PERMISSION,
        cause="the other side does not accept who asks",
        suggestions=(CREDENTIALS,),
    ),
    Row(
        name="words_not_allowed",
        text=(
            r"permission denied|\bEACCES\b|operation not permitted|\bEPERM\b|read.only file system|access (is )?denied"
            r"|must be (run as )?root|are you root|not authorized to|insufficient (privilege|permission)"
        ),
        category=ErrorCategory.PERMISSION,
        cause="it may not do this",
        suggestions=(RIGHTS,),
    ),
    Row(
        name="words_name_unknown",
        text=(
            r"could ?n.t resolve|could not resolve|temporary failure in name resolution|name or service not known"
            r"|nodename nor servname|no address associated with hostname|getaddrinfo (failed|ENOTFOUND|EAI_AGAIN)"
            r"|no such host|ERR_NAME_NOT_RESOLVED|unknown host"
        ),
        category=ErrorCategory.TRANSIENT,
        cause="no address was found for the name of the other side",
        suggestions=("see whether the name is spelled right and this machine reaches a name server",),
    ),
    Row(
        name="words_connection_refused",
        text=r"connection refused|\bECONNREFUSED\b|ERR_CONNECTION_REFUSED|failed to connect to|couldn't connect to server"
        r"|\[Errno 111\]",
        category=ErrorCategory.TRANSIENT,
        cause="nothing listens at that address",
        suggestions=("start what should listen there, or correct the host and port",),
    ),
    Row(
        name="words_connection_cut",
        text=(
            r"connection (was )?(reset|aborted|closed by|lost|broken)|\bECONNRESET\b|ERR_CONNECTION_(RESET|CLOSED)|broken pipe"
            r"|remote end (closed|hung up)|empty reply from server|server disconnected|early EOF|socket hang up"
        ),
        category=ErrorCategory.TRANSIENT,
        cause="the other side ended the connection",
        suggestions=(NETWORK,),
    ),
    Row(
        name="words_unreachable",
        text=r"network is unreachable|no route to host|host is (down|unreachable)|\bE(NET|HOST)UNREACH\b"
        r"|ERR_(INTERNET_DISCONNECTED|ADDRESS_UNREACHABLE|NETWORK_CHANGED)",
        category=ErrorCategory.TRANSIENT,
        cause="no way leads to that address",
        suggestions=("see whether this machine is online (ip route), and the address right",),
    ),
    Row(
        name="words_timed_out",
        text=r"\btimed out\b|\btime.?out (was )?(exceeded|reached|expired)|deadline exceeded|\bETIMEDOUT\b|ERR_TIMED_OUT",
        category=ErrorCategory.TRANSIENT,
        cause="no answer came in time",
        suggestions=("it may pass by itself; if not, give it more time",),
    ),
    Row(
        name="words_server_trouble",
        text=r"service (is )?(temporarily )?unavailable|bad gateway|gateway time.?out|internal server error"
        r"|temporarily unavailable|try again later|\boverloaded\b|HTTP(/[\d.]+)?( error)?:? 50[0234]\b",
        category=ErrorCategory.TRANSIENT,
        cause="the other side is in trouble, or out of service",
        suggestions=(NETWORK,),
    ),
    Row(
        name="words_locked",
        text=r"database (table )?is locked|could not get lock|unable to create '.*\.lock'|unable to acquire .{0,40}lock"
        r"|(device or resource|text file|resource) (is )?busy|deadlock (detected|found)|waiting for .{0,40}\block\b",
        category=ErrorCategory.TRANSIENT,
        cause="another program uses it at this moment",
        suggestions=("it may pass by itself; if not, see who holds it (lsof, fuser)",),
    ),
    Row(
        name="words_missing_module",
        text=r"\bModuleNotFoundError\b|\bno module named\b|\bImportError\b|cannot find (module|package)"
        r"|cannot open shared object file|error while loading shared libraries|Could not find a version that satisfies",
        category=ErrorCategory.CONFIGURATION,
        cause="a module or library that it needs is not installed",
        suggestions=(INSTALL,),
    ),
    Row(
        name="words_missing_command",
        text=r"command not found|executable file not found|executable doesn't exist|env: .*: no such file or directory"
        r"|: \d+: \S+: not found$|^(\S+: ){1,2}not found$",
        category=ErrorCategory.CONFIGURATION,
        cause="a program that it calls is not installed, or not found on PATH",
        suggestions=("install it, give its full path, or correct PATH in env",),
    ),
    Row(
        name="words_called_wrongly",
        text=r"(unrecognized|unknown|invalid|illegal|unsupported|no such) (argument|option|command.line option|flag)s?\b"
        r"|missing (required )?(argument|operand|option)|(argument|option)s? (is|are) required|No rule to make target"
        r"|environment variable \S+ (is )?not set|: unbound variable|: parameter (null or )?not set",
        category=ErrorCategory.CONFIGURATION,
        cause="it was called wrongly",
        suggestions=("correct the command, or what it is given in env",),
    ),
    Row(
        name="words_not_there",
        text=r"no such file or directory|\bENOENT\b|\bFileNotFoundError\b|file not found|does not exist$",
        category=ErrorCategory.CONFIGURATION,
        cause="a file or folder that it names is not there",
        suggestions=(
            "correct the path (a relative one begins at the task's workspace), or let an earlier step make it",
        ),
    ),
)
