"""The tool `weather` owes what every tool owes, and tells the weather."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from weather_tool import WeatherTool

from dreamos_tasks.testing import ToolConformance, context_in

ANSWERS = {
    "/v1/forecast": (200, '{"current": {"temperature_2m": 3.5}}'),
    "/closed/v1/forecast": (503, "closed"),
    "/odd/v1/forecast": (200, "[]"),
}


class Server:
    """A weather server on this machine, in a thread. What is asked below /slow is never answered, below /echo repeated."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Ends it."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._answer, "127.0.0.1", 0)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split()[1].decode()
        path = target.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/slow/"):
            await reader.read()  # until the other side gives up
        else:
            status, text = (200, f'"{target}"') if path.startswith("/echo/") else ANSWERS.get(path, (404, ""))
            answer = f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
            writer.write(answer.encode())
        writer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


class TestWeather(ToolConformance):
    @pytest.fixture(autouse=True)
    def _use(self, server: Server) -> None:
        self.server = server

    def make_tool(self) -> WeatherTool:
        return WeatherTool()

    def good_params(self) -> Sequence[Mapping[str, object]]:
        return [self._oslo()]

    def bad_params(self) -> Sequence[Mapping[str, object]]:
        return [{}, self._oslo(latitude=91), self._oslo(latitude="north"), self._oslo(country="Norway")]

    def failing_params(self) -> Sequence[Mapping[str, object]]:
        return [self._oslo("/closed"), self._oslo("/missing"), self._oslo("/odd"), self._oslo(service="http://[")]

    def slow_params(self) -> Mapping[str, object]:
        return self._oslo("/slow")

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return "/slow/v1/forecast" in self.server.asked

    def secret_params(self, secret: str) -> Mapping[str, object]:
        return self._oslo("/echo", api_key=secret)

    def _oslo(self, below: str = "", **params: object) -> Mapping[str, object]:
        return {"latitude": 59.91, "longitude": 10.75, "service": self.server.url + below, **params}


def test_it_tells_the_temperature(server: Server, tmp_path: Path) -> None:
    params = {"latitude": 59.91, "longitude": 10.75, "service": server.url}

    result = asyncio.run(WeatherTool().execute(params, context_in(tmp_path)))

    assert result.value == {"celsius": 3.5}
