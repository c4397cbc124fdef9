"""MessageTool: tells somebody something: a webhook, mailboxes, the desktop or whatever else apprise knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar

from annotated_types import MaxLen, MinLen
from pydantic import AfterValidator, Field, ValidationError

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.extras import ExtraMissing, install_line, is_installed
from dreamos_tasks.tools.message_apprise import MODULE, notify
from dreamos_tasks.tools.message_email import send
from dreamos_tasks.tools.message_targets import AppriseTarget, EmailTarget, Target, Text, WebhookTarget
from dreamos_tasks.tools.message_text import Level, Message, NotDelivered, message_id_of
from dreamos_tasks.tools.message_webhook import post
from dreamos_tasks.tools.own_program import OwnProgram
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.texts import is_not_blank

TIMEOUT_SECONDS = 120.0  # for a step that names none: no receiver of messages takes longer
LONGEST_BODY = 100_000  # characters

_LIBRARIES = {"webhook": "standardwebhooks", "email": "aiosmtplib", "apprise": "apprise"}


def _is_one_line(text: str) -> str:
    if len(text.splitlines()) > 1 or text.strip() != text:
        raise ValueError("is one line, without spaces around it")
    return text


Name = Annotated[Text, MinLen(1), MaxLen(100), AfterValidator(_is_one_line)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageParams:
    """What a step of the tool `message` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    to: Annotated[
        Name | Target, Field(description="a target named in tools.message.options.targets, or a target itself")
    ]
    body: Annotated[
        Text, MaxLen(LONGEST_BODY), AfterValidator(is_not_blank), Field(description="what to say, as plain text")
    ]
    subject: Annotated[
        Text, MaxLen(200), AfterValidator(_is_one_line), Field(description="a line of its own; empty: the body's first")
    ] = ""
    level: Annotated[Level, Field(description="how urgent it is: info, success, warning or error")] = Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOptions:
    """How the tool `message` is set up.

    `targets` are those that steps name. `allow_private`: targets on this machine and in private networks may be called.
    `daemon_address` is the `host:port` of the daemon's own server, never to be called.
    """

    targets: Mapping[Name, Target] = field(default_factory=dict)
    allow_private: bool = True
    daemon_address: str = ""


DEFAULTS = MessageOptions()


def wall_clock() -> datetime:
    """The instant by the wall clock: receivers refuse what was signed by a clock that is off from theirs."""
    return datetime.now(UTC)


class MessageTool:
    """The tool `message`. Sent again, a message has the id it had before, so that receivers can tell.

    `board_id` tells boards apart, whose tasks may have the same ids.
    """

    name = "message"
    texts = ("subject", "body")

    def __init__(
        self,
        children: Children,
        options: MessageOptions = DEFAULTS,
        *,
        board_id: str = "",
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._options = options
        self._board_id = board_id
        self._now = now
        self._allowed = {"allow_private": options.allow_private, "daemon_address": options.daemon_address}
        self._guard = AddressGuard(allow_private=options.allow_private, daemon_address=options.daemon_address)
        self._apprise = OwnProgram(module=MODULE, children=children)
        self._params = Params(MessageParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter. A target that is not configured is a problem."""
        problems = self._params.problems(params)
        name = params.get("to")
        if problems or not isinstance(name, str) or name in self._options.targets:
            return problems
        return (self._unknown(name),)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """It destroys nothing, though what was said cannot be unsaid."""
        return Estimate(duration_seconds=1.0)

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        """What its messages share the fate of: the target."""
        to = params.get("to")
        try:
            return to if isinstance(to, str) else self._params.read(params).to.place  # type: ignore[union-attr]
        except ValidationError:
            return None

    async def health(self) -> Health:
        """Whether the libraries are there that the configured targets need; without targets, all of them."""
        kinds = sorted({target.kind for target in self._options.targets.values()} or _LIBRARIES)
        missing = [_LIBRARIES[kind] for kind in kinds if not is_installed(_LIBRARIES[kind])]
        if missing:
            return Health(ok=False, detail=f"not installed: {', '.join(missing)}", fix=install_line("notify"))
        return Health(ok=True, detail=", ".join(kinds))

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. The value is the record of the delivery."""
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return Redactor(context.secrets).result(ToolResult(category=ErrorCategory.CONFIGURATION, message=message))
        values = self._params.read(params)
        target = self._options.targets[values.to] if isinstance(values.to, str) else values.to
        redactor = Redactor((*context.secrets, *target.secrets))
        seconds = context.timeout_seconds or TIMEOUT_SECONDS
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                result = await self._deliver(target, values, context=context, redactor=redactor)
        except OSError as error:  # TimeoutError is one
            late = f"{target.place} did not take the message within {seconds:g} s"
            result = _failed(
                late if limit.expired() else f"{target.place} could not be reached: {str(error) or 'no answer'}", error
            )
        return redactor.result(result)

    async def _deliver(
        self, target: Target, values: MessageParams, *, context: ToolContext, redactor: Redactor
    ) -> ToolResult:
        message = self._message(values, context, redactor)
        try:
            response = await self._send(target, message, context=context, redactor=redactor)
        except NotDelivered as refusal:
            return refusal.result
        except ExtraMissing as error:
            return replace(_failed(str(error), error), cause="", suggestions=(error.fix,))
        except CallRefused as error:
            fixes = (error.fix,) if error.fix else ()
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=str(error), suggestions=fixes)
        return ToolResult(
            message=f"delivered to {target.place}",
            value={
                "message_id": message.message_id,
                "target": values.to if isinstance(values.to, str) else target.place,
                "kind": target.kind,
                "delivered_at": self._now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "attempt": context.attempt,
                "response": response,
            },
        )

    async def _send(
        self, target: Target, message: Message, *, context: ToolContext, redactor: Redactor
    ) -> Mapping[str, object]:
        match target:
            case WebhookTarget():
                return await post(target, message, guard=self._guard, now=self._now())
            case EmailTarget():
                return await send(target, message, guard=self._guard, now=self._now())
            case AppriseTarget():
                return await notify(
                    target,
                    message,
                    program=self._apprise,
                    allowed=self._allowed,
                    context=context,
                    redactor=redactor,
                )

    def _message(self, values: MessageParams, context: ToolContext, redactor: Redactor) -> Message:
        target = values.to if isinstance(values.to, str) else values.to.place
        said = {"to": target, "subject": values.subject, "body": values.body, "level": values.level.value}
        shown = redactor.text(
            json.dumps(said, ensure_ascii=False)
        )  # an id must not tell whether a guessed secret is right
        return Message(
            message_id=message_id_of(self._board_id, context.task_id, context.step, shown),
            task_id=context.task_id,
            step=context.step,
            subject=values.subject,
            body=values.body,
            level=values.level,
        )

    def _unknown(self, name: str) -> ParamProblem:
        known = sorted(self._options.targets)
        near = get_close_matches(name, known, n=1)
        message = f"there is no target {name[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        fix = "name it in tools.message.options.targets of config.yaml"
        return ParamProblem(
            pointer="/to", message=message, fix=f"{fix}; there are: {', '.join(known)}" if known else fix
        )


def _failed(message: str, error: BaseException) -> ToolResult:
    return NotDelivered.because(message, diagnose(Symptom(error=error))).result
