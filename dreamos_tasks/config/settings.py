"""Every setting: its type, its default and why it is there. Frozen values, light to import.

The constraints (`Seconds`, `Count`, ...) are named here and defined in `rules`, which only those who validate import:
annotated_types and what it pulls in take as long to load as half a command that agents call in a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.config.rules import (
        AgentName,
        Bytes,
        BytesOrZero,
        Count,
        CountOrZero,
        EscalationTarget,
        Factor,
        JudgedPlace,
        KeyLimits,
        Options,
        Port,
        QuietHours,
        RiskPattern,
        Seconds,
        SecondsOrZero,
        Text,
        VariableName,
    )

Store = Literal["sqlite", "json", "postgres"]
Durability = Literal["full", "normal"]
Jitter = Literal["full", "none"]
Destructive = Literal["ask", "allow"]
UnderPressure = Literal["fewer", "ignore"]
Severity = Literal["low", "medium", "high", "critical"]
EscalationStrategy = Literal["log_only", "mark_stalled", "reassign", "escalate"]
LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]

_T = TypeVar("_T")


def _setting(default: _T, why: str, *, secret: bool = False) -> _T:
    """A field with the one line that config.yaml and the reference say about it."""
    found: _T = field(default=default, repr=not secret, metadata={"why": why, "secret": secret})
    return found


class _Section:
    """What the settings have in common: wherever pydantic validates them, an unknown key is an error."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}


@frozen_value
class BoardSettings(_Section):
    """Where tasks are kept."""

    store: Store = _setting(
        "sqlite", "SQLite for most; JSON for a small board that is edited by hand; postgres: not in this release"
    )
    path: Text | None = _setting(
        None, "the board's file, from the home on; null: runtime/nexus.db, or runtime/nexus.json"
    )
    url: Text | None = _setting(None, "where the database is, with store: postgres only", secret=True)
    durability: Durability = _setting("full", "normal is faster, but a power cut may take the last commits")
    wal_bytes: Bytes = _setting(
        268_435_456,
        "SQLite: a write-ahead log that is larger, because somebody keeps reading an old state, is an alarm",
    )


@frozen_value
class ClaimSettings(_Section):
    """How long an agent holds what it claimed."""

    lease_seconds: Seconds = _setting(900.0, "without a heartbeat for so long, the task is open to others again")
    heartbeat_seconds: Seconds = _setting(
        60.0, "how often a holder says it is alive; left out: at most a third of the lease"
    )
    max_lost_leases: Count = _setting(
        10, "a task whose leases ran out so often has failed: it may be what ends its agents"
    )
    lock_timeout_seconds: Seconds = _setting(
        30.0, "how long a verb waits for the board's lock before it gives up (exit 6)"
    )
    concurrency_keys: KeyLimits | None = _setting(
        None, "how many tasks of a concurrency_key are worked on at once, by key: {deploy: 2}; of those not named one"
    )


@frozen_value
class DaemonSettings(_Section):
    """The process that runs what it can run itself."""

    agent_id: AgentName = _setting("daemon", "the name it claims under")
    max_concurrent_tasks: Count = _setting(4, "what waits for a retry, an approval or a dependency is not counted")
    max_concurrent_steps: Count = _setting(
        4, "of one task, where its plan names no number; steps that name no needs run one after another"
    )
    under_pressure: UnderPressure = _setting(
        "fewer", "when memory or processors run short, fewer tasks are begun; ignore: as many as ever"
    )
    grace_seconds: SecondsOrZero = _setting(30.0, "how long running tasks may go on once it was asked to stop")
    data_version_poll_seconds: Seconds = _setting(
        2.0, "the net below the doorbell: how soon a change is seen when nobody rang"
    )
    environment: tuple[VariableName, ...] = _setting(
        (
            *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*"),
            *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
            *("SSL_CERT_FILE", "SSL_CERT_DIR"),
        ),
        "the variables that commands are given of the daemon's own; a star at the end stands for any rest",
    )

    def passes(self, variable: str) -> bool:
        """Whether a command is given this variable of the daemon's environment."""
        return any(
            variable.startswith(name[:-1]) if name.endswith("*") else variable == name for name in self.environment
        )


@frozen_value
class InboxSettings(_Section):
    """The folder that files are dropped into."""

    path: Text = _setting("runtime/inbox", "from the home on; on the same file system as the home")
    max_bytes: Bytes = _setting(10_485_760, "a larger file is rejected before it is read")
    max_tasks_per_file: Count = _setting(
        10_000, "all tasks of a file are accepted in one commit, which others wait for"
    )
    rescan_seconds: Seconds = _setting(30.0, "file system events are hints; this finds what they missed")
    settle_seconds: SecondsOrZero = _setting(
        5.0, "a file that ends midway may still be written: so long it must lie unchanged"
    )


@frozen_value
class RetrySettings(_Section):
    """When a failed task is tried again, unless it brings its own rule."""

    max_attempts: Count = _setting(3, "the first included")
    base_seconds: SecondsOrZero = _setting(2.0, "the longest wait after the first failure")
    factor: Factor = _setting(2.0, "each further wait is so many times the one before")
    max_seconds: SecondsOrZero = _setting(300.0, "no wait is longer")
    jitter: Jitter = _setting(
        "full", "full: any time up to the wait, so that tasks that failed together do not return together"
    )
    max_deferrals: CountOrZero = _setting(
        100, "how often a command may say 'not now' (exit 75), which spends no attempt"
    )


@frozen_value
class MonitoringSettings(_Section):
    """What is done about tasks that nobody moves."""

    check_interval_seconds: Seconds = _setting(300.0, "how often it looks")
    pending_timeout_seconds: Seconds = _setting(3600.0, "pending for longer is a stall")
    escalation_strategy: EscalationStrategy = _setting("log_only", "what is done about a stall, once for each")
    silent_agent_seconds: Seconds = _setting(
        180.0, "an agent unheard of for longer is shown as silent; left out: three heartbeats"
    )


@frozen_value
class AgentSettings(_Section):
    """What holds for agents that are registered (dt agents register)."""

    silent_after_seconds: Seconds = _setting(
        300.0, "one unheard of for longer loses what it holds; left out: five heartbeats"
    )
    registered_only: bool = _setting(False, "whether agents that are not registered are refused when they claim")


@frozen_value
class EscalationSettings(_Section):
    """How people are told of incidents: tasks that stall or miss their due date, agents that fall silent (dt incidents)."""

    targets: tuple[EscalationTarget, ...] = _setting(
        (), "who is told of an incident: task, mailbox:AGENT, message:TARGET of the tool message, command"
    )
    command: Text | None = _setting(
        None, "the shell line of the target command; it finds the incidents as JSON on its standard input"
    )
    raise_after_seconds: Seconds = _setting(
        3600.0, "an incident that nobody has acknowledged is one step more severe after so long, and told again"
    )
    quiet_hours: QuietHours | None = _setting(
        None, "when nobody is told, in local time, such as 22:00-07:00; what came up then is told afterwards"
    )
    quiet_except: Severity = _setting("critical", "what is so severe is told in quiet hours too")
    tell_from: Severity = _setting("low", "what is less severe is listed by dt incidents and told to nobody")


@frozen_value
class ApprovalSettings(_Section):
    """When people are asked before a step runs."""

    destructive: Destructive = _setting(
        "ask", "whether a call that can destroy something is asked about, whatever its step says"
    )
    expires_seconds: Seconds = _setting(300.0, "a request that nobody has decided by then is as good as rejected")
    patterns: tuple[RiskPattern, ...] = _setting(
        (), "what else can destroy something, beside what this program knows (dt help approvals)"
    )
    without: tuple[Text, ...] = _setting(
        (), "names of the patterns, of those this program knows, that are not asked about"
    )
    also_judged: tuple[JudgedPlace, ...] = _setting(
        (),
        "patterns judge what a call carries out; these too: message.text, http.body, or python.* for all of a tool's",
    )


@frozen_value
class UndoSettings(_Section):
    """How long steps can be taken back by hand."""

    window_seconds: Seconds = _setting(
        86_400.0, "dt undo ID takes back steps that ended within it; what came after may build on older ones"
    )


@frozen_value
class SecretSettings(_Section):
    """What steps may be given as ${secret:NAME}, and nothing that is kept may hold."""

    path: Text = _setting(
        "secrets.env", "a file of lines NAME=VALUE, from the home on; only its owner may read it (mode 0600)"
    )


@frozen_value
class ServerSettings(_Section):
    """The dashboard and the HTTP interface."""

    enabled: bool = _setting(True, "without it the daemon answers the command line only")
    host: Text = _setting("127.0.0.1", "anything but loopback needs a token and TLS: certfile and keyfile")
    port: Port = _setting(8765, "0: any free one; left out: the next free one when it is taken")
    socket: Text | None = _setting(
        "runtime/http.sock", "the same beside it as a unix socket, for its owner alone, from the home on; null: none"
    )
    hosts: tuple[Text, ...] = _setting(
        (), "other names it is reached by, as name or name:port; requests that name any other host are refused"
    )
    certfile: Text | None = _setting(None, "the certificate and those above it, in PEM; null: no TLS")
    keyfile: Text | None = _setting(None, "the private key of the certificate, in PEM; null: it is in certfile")
    session_seconds: Seconds = _setting(604_800.0, "how long a browser stays signed in")


@frozen_value
class BreakerSettings(_Section):
    """When a tool that keeps failing is left alone for a while."""

    failures: Count = _setting(5, "so many transient failures within the window open it")
    window_seconds: Seconds = _setting(60.0, "older failures are forgotten")
    open_seconds: Seconds = _setting(30.0, "then one call goes through to see whether the tool is back")


@frozen_value
class ToolSettings(_Section):
    """One tool, by its name."""

    timeout_seconds: Seconds | None = _setting(
        None, "for a step that names none itself; null: limits.wall_seconds is the end"
    )
    max_concurrent: Count | None = _setting(
        None, "how many steps may use it at once, whichever process runs them; null: as many as run"
    )
    max_concurrent_per_host: Count | None = _setting(
        None, "how many of its calls may be under way at once to each host, of a tool that calls hosts; null: any"
    )
    rate_per_minute: Count | None = _setting(None, "how many calls may start in a minute; null: any")
    rate_per_minute_per_host: Count | None = _setting(
        None, "how many of its calls may start in a minute to each host; null: any"
    )
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    options: Options | None = _setting(None, "what else this tool is to be told: docs/guides/tools.md")


@frozen_value
class LimitSettings(_Section):
    """What a step may use, with all the processes it starts, unless its task names less."""

    memory_bytes: Bytes | None = _setting(None, "held by all its processes together; null: as much as there is")
    cpu_seconds: Seconds | None = _setting(None, "processor time of all its processes together; null: any")
    processes: Count | None = _setting(
        1024, "alive at once: what starts itself again and again is ended before the machine is full; null: any"
    )
    open_files: Count | None = _setting(None, "for each process; null: as many as the daemon's own limit allows")
    written_bytes: Bytes | None = _setting(None, "to disk, by all its processes together; null: any")
    wall_seconds: Seconds | None = _setting(86_400.0, "so that a command that hangs gives its place back; null: any")
    output_bytes: Bytes = _setting(10_485_760, "kept of each step's output: the head and the tail")
    disk_free_bytes: BytesOrZero = _setting(
        104_857_600, "with less room than this on the home's disk no task is started"
    )


@frozen_value
class LoggingSettings(_Section):
    """The daemon's log, in runtime/logs."""

    level: LogLevel = _setting("INFO", "the least that is written down")
    rotation_bytes: Bytes = _setting(10_485_760, "a file that has grown so far is closed and a new one begun")
    keep_files: Count = _setting(5, "older ones are removed")


@frozen_value
class RetentionSettings(_Section):
    """What is kept of tasks that are over. A task itself is kept for ever, and so is what is not over."""

    runs_days: Count | None = _setting(
        None, "after so many days what its steps printed is removed from runtime/runs, and what undo needs; null: never"
    )
    events_days: Count | None = _setting(
        None, "after so many days its history is shortened to how it was added and what became of it; null: never"
    )


@frozen_value
class Settings(_Section):
    """All settings of one board."""

    board: BoardSettings = field(default_factory=BoardSettings)
    claims: ClaimSettings = field(default_factory=ClaimSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    inbox: InboxSettings = field(default_factory=InboxSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)
    agents: AgentSettings = field(default_factory=AgentSettings)
    escalation: EscalationSettings = field(default_factory=EscalationSettings)
    approvals: ApprovalSettings = field(default_factory=ApprovalSettings)
    undo: UndoSettings = field(default_factory=UndoSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    tools: Mapping[str, ToolSettings] = field(default_factory=dict)
    limits: LimitSettings = field(default_factory=LimitSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)

    def tool(self, name: str) -> ToolSettings:
        """The settings of the tool with this name; the defaults for one that is not mentioned."""
        return self.tools.get(name) or ToolSettings()
