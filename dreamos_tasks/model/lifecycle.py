"""The lifecycle: which verb may follow which state, and one pure function a verb.

Each function takes the task as it is and gives the Change that is to be saved, or raises a Refused that says why not.
It reads no clock and no store: `now` is board time, and what else it must know comes in as arguments. The verbs live in
rooms of their own; this is the door by which others come to them: `lifecycle.claim(task, ...)`.
"""

from __future__ import annotations

from dreamos_tasks.model.asking import answer, approve, ask, deadline_of, find_request, lapse, open_requests, reject
from dreamos_tasks.model.leases import abandon, claim, expire, heartbeat, held, recover, release, wake
from dreamos_tasks.model.readiness import is_held_by, lease_expired, offered_in_turn, refusals, seen_at, waiting_for
from dreamos_tasks.model.recording import STEP_EVENTS, add, fold, record_progress, record_step
from dreamos_tasks.model.settling import reject_verification, require_evidence, settle
from dreamos_tasks.model.steering import (
    EDITABLE,
    cancel,
    edit,
    end_elsewhere,
    note_stall,
    pause,
    reassign,
    require_unchanged,
    resume,
    retry,
    stall,
)
from dreamos_tasks.model.transitions import OPEN, SPOKEN_VERBS, TRANSITIONS, legal_verbs

__all__ = [
    "EDITABLE",
    "OPEN",
    "SPOKEN_VERBS",
    "STEP_EVENTS",
    "TRANSITIONS",
    "abandon",
    "add",
    "answer",
    "approve",
    "ask",
    "cancel",
    "claim",
    "deadline_of",
    "edit",
    "end_elsewhere",
    "expire",
    "find_request",
    "fold",
    "heartbeat",
    "held",
    "is_held_by",
    "lapse",
    "lease_expired",
    "legal_verbs",
    "note_stall",
    "offered_in_turn",
    "open_requests",
    "pause",
    "reassign",
    "record_progress",
    "record_step",
    "recover",
    "refusals",
    "reject",
    "reject_verification",
    "release",
    "require_evidence",
    "require_unchanged",
    "resume",
    "retry",
    "seen_at",
    "settle",
    "stall",
    "waiting_for",
    "wake",
]
