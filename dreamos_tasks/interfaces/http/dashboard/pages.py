"""Pages: the dashboard's files as they lie here. There is nothing secret in them: what they show comes from the API."""

from __future__ import annotations

from collections.abc import MutableMapping
from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent
# The machine's own table may say otherwise, and a browser runs no script of another type.
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
ASK_FIRST = {"cache-control": "no-cache"}  # kept by the browser, and asked for anew each time: an upgrade shows at once


def dashboard_routes() -> list[BaseRoute]:
    """`/`, and what it loads."""
    return [
        Route("/", _index, methods=["GET"]),
        Mount("/page", app=_Files(directory=FOLDER / "page")),
        Mount("/vendor", app=_Files(directory=FOLDER / "vendor")),
    ]


async def _index(_request: object) -> Response:
    return FileResponse(FOLDER / "page" / "index.html", media_type=MEDIA_TYPES[".html"], headers=ASK_FIRST)


class _Files(StaticFiles):
    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: MutableMapping[str, Any],
        status_code: int = 200,
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers.update(ASK_FIRST)
        media_type = MEDIA_TYPES.get(Path(full_path).suffix)
        if media_type is not None and "content-type" in answer.headers:
            answer.headers["content-type"] = f"{media_type}; charset=utf-8"
        return answer
