"""Every error of dreamos-tasks. An error says what happened, to whom, and what to do next.

DreamosError
├── UsageError                     2  the call itself is wrong
│   ├── ConfigError                   a setting is wrong
│   ├── AgentNotNamed                 a verb that needs an agent was given none
│   └── ExtraNotInstalled             what was asked for needs a library that is not installed
├── NotFound                       3  no such thing
│   ├── TaskNotFound
│   ├── ToolNotFound
│   ├── RequestNotFound
│   ├── AgentNotFound                 nobody is registered under this name
│   ├── IncidentNotFound
│   ├── EpisodeNotFound
│   └── MessageNotFound               the mailbox has no such message
├── Refused                        4  the board said no; nothing was changed
│   ├── ClaimHeld                     another agent holds the task
│   ├── StaleToken                    the claim it was written under is over
│   ├── TaskChanged                   it is no longer as the caller saw it
│   ├── IllegalTransition             the state does not allow the verb
│   ├── NotClaimable                  the task cannot start yet, or not by this agent
│   ├── AmbiguousTaskId               a prefix names several tasks
│   ├── AmbiguousRequest              a task asks several things
│   ├── AmbiguousIncident             a word means several
│   ├── DuplicateTaskId               the id is taken
│   ├── VerificationFailed            the task's own checks did not pass
│   ├── RequestClosed                 it is decided, or another kind of decision is asked
│   ├── OwnApproval                   who works on a task cannot approve for it
│   ├── CannotUndo                    what was done cannot be taken back, or not now
│   ├── LeadsElsewhere                a link leads out of the folder that was named
│   ├── AgentPaused                   the agent gets nothing until it is resumed
│   ├── AgentAtCapacity               the agent holds as many tasks as it may
│   ├── AgentNotRegistered            only registered agents may claim here
│   ├── EpisodeRunning                an episode of this name runs
│   ├── NoPerson                      a decision that is a person's comes from an agent or a step
│   └── AlreadyRunning                another daemon holds this board
├── NothingReady                   5  no task to claim
├── BoardUnavailable               6  the board cannot be read or written
│   ├── BoardLocked                   somebody holds the lock too long
│   ├── BoardGone                     the file was deleted or replaced
│   ├── BoardCorrupt                  the file is not a sound board
│   ├── BoardTooNew                   written by a newer release
│   └── BoardUnsafe                   others could write it, or it lies on a network mount
├── InvalidInput                   7  what was handed in breaks a rule
│   ├── InvalidTask                   a field of a task
│   └── DependencyCycle
└── WaitTimedOut                 124  what was waited for did not happen in time

`families` has the first row of it, `call` what is below 2, 3 and 7, `refusals` what is below 4, `board` what is below 6;
`agents`, `incidents` and `episodes` what is said of these.
"""

from dreamos_tasks.errors.agents import AgentAtCapacity, AgentNotFound, AgentNotRegistered, AgentPaused, MessageNotFound
from dreamos_tasks.errors.board import BoardCorrupt, BoardGone, BoardLocked, BoardTooNew, BoardUnsafe
from dreamos_tasks.errors.call import (
    AgentNotNamed,
    ConfigError,
    DependencyCycle,
    ExtraNotInstalled,
    InvalidTask,
    RequestNotFound,
    TaskNotFound,
    ToolNotFound,
)
from dreamos_tasks.errors.episodes import EpisodeNotFound, EpisodeRunning
from dreamos_tasks.errors.families import (
    BoardUnavailable,
    DreamosError,
    InvalidInput,
    NotFound,
    NothingReady,
    Refused,
    UsageError,
    WaitTimedOut,
    all_kinds,
)
from dreamos_tasks.errors.incidents import AmbiguousIncident, IncidentNotFound
from dreamos_tasks.errors.refusals import (
    AlreadyRunning,
    AmbiguousRequest,
    AmbiguousTaskId,
    CannotUndo,
    ClaimHeld,
    DuplicateTaskId,
    IllegalTransition,
    LeadsElsewhere,
    NoPerson,
    NotClaimable,
    OwnApproval,
    RequestClosed,
    StaleToken,
    TaskChanged,
    VerificationFailed,
)

__all__ = [
    "AgentAtCapacity",
    "AgentNotFound",
    "AgentNotNamed",
    "AgentNotRegistered",
    "AgentPaused",
    "AlreadyRunning",
    "AmbiguousIncident",
    "AmbiguousRequest",
    "AmbiguousTaskId",
    "BoardCorrupt",
    "BoardGone",
    "BoardLocked",
    "BoardTooNew",
    "BoardUnavailable",
    "BoardUnsafe",
    "CannotUndo",
    "ClaimHeld",
    "ConfigError",
    "DependencyCycle",
    "DreamosError",
    "DuplicateTaskId",
    "EpisodeNotFound",
    "EpisodeRunning",
    "ExtraNotInstalled",
    "IllegalTransition",
    "IncidentNotFound",
    "InvalidInput",
    "InvalidTask",
    "LeadsElsewhere",
    "MessageNotFound",
    "NoPerson",
    "NotClaimable",
    "NotFound",
    "NothingReady",
    "OwnApproval",
    "Refused",
    "RequestClosed",
    "RequestNotFound",
    "StaleToken",
    "TaskChanged",
    "TaskNotFound",
    "ToolNotFound",
    "UsageError",
    "VerificationFailed",
    "WaitTimedOut",
    "all_kinds",
]
