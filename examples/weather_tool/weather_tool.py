"""WeatherTool: the temperature at a place, as Open-Meteo has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import httpx2
from annotated_types import Ge, Le
from pydantic import Field, Strict

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.redaction import Redactor

OPEN_METEO = "https://api.open-meteo.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherParams:
    """What a step of the tool `weather` says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    latitude: Annotated[float, Strict(), Ge(-90), Le(90), Field(description="degrees north")]
    longitude: Annotated[float, Strict(), Ge(-180), Le(180), Field(description="degrees east")]
    service: Annotated[str, Field(pattern=r"^https?://[^\s/]+", description="the server to ask")] = OPEN_METEO
    api_key: Annotated[str | None, Field(description="for a server that wants one: ${secret:NAME}")] = None


class WeatherTool:
    """The tool `weather`. Its value is {"celsius": 3.5}."""

    name = "weather"

    def __init__(self) -> None:
        self._params = Params(WeatherParams)

    def params_schema(self) -> Mapping[str, object]:
        """Made from the class above."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """By the class above, too."""
        return self._params.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """One request, and nothing is changed by it."""
        return Estimate(duration_seconds=1.0)

    async def health(self) -> Health:
        """Nothing on this machine is needed."""
        return Health(ok=True)

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """Asks once. Whether to ask again is not for a tool to decide."""
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=message)
        try:
            async with asyncio.timeout(context.timeout_seconds):
                result = await _asked(self._params.read(params))
        except (httpx2.HTTPError, TimeoutError) as error:
            diagnosis = diagnose(Symptom(error=error))
            result = ToolResult(
                category=diagnosis.category,
                message=f"the weather is not known: {str(error) or 'no answer in time'}",
                cause=diagnosis.cause,
                suggestions=diagnosis.suggestions,
            )
        return Redactor(context.secrets).result(result)


async def _asked(values: WeatherParams) -> ToolResult:
    query: dict[str, str | float] = {
        "latitude": values.latitude,
        "longitude": values.longitude,
        "current": "temperature_2m",
    }
    if values.api_key is not None:
        query["apikey"] = values.api_key
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"{values.service}/v1/forecast", params=query)
    response.raise_for_status()
    try:
        celsius = float(response.json()["current"]["temperature_2m"])
    except (KeyError, TypeError, ValueError):
        return ToolResult(
            category=ErrorCategory.LOGIC,
            message=f"{values.service} answered, but not as Open-Meteo does",
            cause=response.text[:200],
            suggestions=("see whether service is right",),
        )
    return ToolResult(value={"celsius": celsius}, output_head=f"{celsius:g} °C\n")
