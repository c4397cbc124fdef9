"""HttpTool: makes one HTTP request, and says what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused, Resolve, literal_address, system_addresses
from dreamos_tasks.tools.http_params import SAFE_METHODS, HttpParams
from dreamos_tasks.tools.http_url import host_of, port_of, read_url
from dreamos_tasks.tools.params import Params

if TYPE_CHECKING:  # it needs httpx2, which is imported with the first call
    from dreamos_tasks.tools.http_call import HttpCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How the tool `http` is set up.

    `allow_private`: services on this machine and in private networks may be called, also through a name of theirs.
    `daemon_address` is the `host:port` of the daemon's own server, never to be called. `max_bytes` and `max_redirects`
    hold for steps that name none. `connect_seconds` is for each address of a host, `idle_seconds` how long a server may
    be silent. `ca_file` holds certificates of authorities to trust besides the system's. `value_bytes` is how much of a
    body stands in a step's value, and so on the board.
    """

    allow_private: bool = True
    daemon_address: str = ""
    max_bytes: int = 10 * 1024 * 1024
    max_redirects: int = 5
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    ca_file: str = ""
    value_bytes: int = 256 * 1024


DEFAULTS = HttpOptions()


class HttpTool:
    """The tool `http`: one request, its redirects followed, its answer kept as the step's output and value.

    What it saves is never saved to what is `closed` in the workspace: the board's own folder and files.
    """

    name = "http"
    texts = ("headers", "body")
    params_without_secrets = ("url", "query", "save_to")  # these are logged on the way

    def __init__(
        self,
        options: HttpOptions = DEFAULTS,
        *,
        now: Callable[[], datetime],
        resolve: Resolve = system_addresses,
        closed: Iterable[Path] = (),
    ) -> None:
        self._options = options
        self._now = now
        self._closed = tuple(closed)
        self._guard = AddressGuard(
            allow_private=options.allow_private, daemon_address=options.daemon_address, resolve=resolve
        )
        self._params = Params(HttpParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter. An address that is written out is judged here; a name, when it is called."""
        return self._params.problems(params) or self._refusals(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """What changes something at the other side cannot be taken back from here: every method but the safe ones."""
        return Estimate(destructive=str(params.get("method", "GET")).upper() not in SAFE_METHODS)

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        """See SharesResource: the host."""
        return host_of(params)

    async def health(self) -> Health:
        """Whether requests can be made; whether one is answered, each host decides for itself."""
        try:
            await self._caller.ready()
        except OSError as error:
            fix = "correct ca_file in the options of the tool http in config.yaml"
            return Health(ok=False, detail=f"no certificates in {self._options.ca_file!r}: {error}", fix=fix)
        return Health(ok=True, detail="httpx2")

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. `value` is what http_body.value_of gives, also when another status was expected."""
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=message)
        return await self._caller.call(self._params.read(params), context)

    @cached_property
    def _caller(self) -> HttpCaller:
        from dreamos_tasks.tools.http_call import HttpCaller

        return HttpCaller(self._options, self._guard, now=self._now, closed=self._closed)

    def _refusals(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        url = read_url(self._params.read(params).url)
        address = literal_address(url.host)
        if address is None:
            return ()
        try:
            self._guard.check(address, port_of(url))
        except CallRefused as error:
            return (ParamProblem(pointer="/url", message=str(error), fix=error.fix),)
        return ()
