"""BrowserTool: has a browser visit pages, fill in, click, read and take pictures. Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.browser_actions import BrowserParams, Goto
from dreamos_tasks.tools.browser_failure import Kind, diagnosis_of
from dreamos_tasks.tools.capture import file_name_of
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.extras import install_line, is_installed
from dreamos_tasks.tools.http_url import host_of
from dreamos_tasks.tools.own_program import OwnProgram
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.redaction import Redactor

MODULE = "dreamos_tasks.tools.browser_run"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 2.0  # that a browser takes to start; for the estimate
ACTION_SECONDS = 1.0
MOST_EXTRACTED_CHARACTERS = 262_144  # of all texts together, as JSON: they stand on the board
MOST_SAID = 3  # of the addresses that pages were kept from, in a message

NOWHERE = "http://127.0.0.1:1/"  # a port that Chromium itself refuses to connect to

# With what Playwright sets: a browser that asks its makers for nothing, and makes no connection past the proxy.
QUIET = (
    f"--autofill-server-url={NOWHERE}",
    f"--component-updater=url-source={NOWHERE}",
    f"--gaia-url={NOWHERE}",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--no-pings",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserOptions:
    """How the tool `browser` is set up.

    `executable`: the browser's path; empty: the first of chromium, chromium-browser, google-chrome on PATH. `headless`:
    without a window. `sandbox`: whether pages are kept in the browser's own sandbox; None: unless root runs it, as root has
    none. `arguments` are added to its command line. `action_timeout_seconds` is for actions that name none.
    `allow_private` and `daemon_address` are as for the tool `http`.
    """

    executable: str = ""
    headless: bool = True
    sandbox: bool | None = None
    arguments: tuple[str, ...] = ()
    start_timeout_seconds: float = 60.0
    action_timeout_seconds: float = 30.0
    allow_private: bool = True
    daemon_address: str = ""


DEFAULTS = BrowserOptions()


class BrowserTool:
    """The tool `browser`. Each call has a browser of its own, with a fresh profile; nothing of it is left afterwards."""

    name = "browser"

    def __init__(self, children: Children, options: BrowserOptions = DEFAULTS) -> None:
        self._options = options
        self._program = OwnProgram(module=MODULE, children=children)
        self._params = Params(BrowserParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter."""
        return self._params.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """What a click does at the other side is not known here."""
        actions = params.get("actions")
        count = len(actions) if isinstance(actions, list | tuple) else 1
        return Estimate(duration_seconds=START_SECONDS + ACTION_SECONDS * count)

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        """See SharesResource: the host of the first page."""
        try:
            actions = self._params.read(params).actions
        except ValidationError:
            return None
        first = next((action for action in actions if isinstance(action, Goto)), None)
        return host_of({"url": first.goto}) if first is not None else None

    async def health(self) -> Health:
        """Whether Playwright and a browser are there."""
        if not is_installed("playwright"):
            return Health(ok=False, detail="playwright is not installed", fix=install_line("browser"))
        found = self._executable(os.environ.get("PATH", os.defpath))
        if found is None:
            return Health(ok=False, detail=self._what_is_missing(), fix=_INSTALL_BROWSER)
        return Health(ok=True, detail=found)

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter.

        `value` has `url`, `title`, `extracted` by name, `screenshots` and `downloads` (name, path, bytes, sha256), and
        `refused`: what pages asked for and may not be called. It is there also when an action fails, with a picture then.
        """
        redactor = Redactor(context.secrets)
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return redactor.result(ToolResult(category=ErrorCategory.CONFIGURATION, message=message))
        if not is_installed("playwright"):
            return _not_there("playwright is not installed", install_line("browser"))
        executable = self._executable(context.environment.get("PATH", os.defpath))
        if executable is None:
            return _not_there(self._what_is_missing(), _INSTALL_BROWSER)
        asked = self._asked(params, context, executable)
        answer, result = await self._program.ask(asked, context=context, redactor=redactor)
        return redactor.result(result if answer is None else _result_of(answer, result))

    def _asked(self, params: Mapping[str, object], context: ToolContext, executable: str) -> Mapping[str, Any]:
        options = self._options
        return {
            "params": params,
            "run_dir": str(context.run_dir),
            "stem": file_name_of(context.step),
            "limit_bytes": context.output_limit_bytes,
            "most_characters": min(MOST_EXTRACTED_CHARACTERS, context.output_limit_bytes // 2),
            "secrets": context.secrets,
            "action_timeout_seconds": options.action_timeout_seconds,
            "allowed": {"allow_private": options.allow_private, "daemon_address": options.daemon_address},
            "launch": {
                "executable_path": executable,
                "headless": options.headless,
                "chromium_sandbox": os.geteuid() != 0 if options.sandbox is None else options.sandbox,
                "args": [*QUIET, *options.arguments],
                "timeout": 1000 * options.start_timeout_seconds,
            },
        }

    def _executable(self, path: str) -> str | None:
        for name in (self._options.executable,) if self._options.executable else NAMES:
            if found := shutil.which(name, path=path):
                return found
        return None

    def _what_is_missing(self) -> str:
        if self._options.executable:
            return f"{self._options.executable} cannot be run"
        return f"no browser is found: none of {', '.join(NAMES)} is on PATH"


_INSTALL_BROWSER = "apt install chromium, or name one in tools.browser.options.executable of config.yaml"


def _result_of(answer: Mapping[str, Any], result: ToolResult) -> ToolResult:
    """What the step comes to: `result` is that of the process, which has done what it should."""
    value, failure = answer.get("value"), answer["failure"]
    if failure is None:
        return replace(result, value=value)
    diagnosis = diagnosis_of(failure)
    message = f"{failure['what']}: {failure['said']}" if "what" in failure else failure["said"]
    refused = value["refused"] if value is not None and failure["kind"] != Kind.REFUSED else ()
    if refused:
        message += f" (pages were kept from what they asked for: {'; '.join(refused[:MOST_SAID])})"
    return replace(
        result,
        category=diagnosis.category,
        message=message,
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
        exit_code=None,
        value=value,
    )


def _not_there(message: str, fix: str) -> ToolResult:
    return ToolResult(category=ErrorCategory.CONFIGURATION, message=message, suggestions=(fix,))
