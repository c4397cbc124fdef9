"""LiveRing: the newest messages, each encoded once, for all who follow; the oldest go when they are too many."""

from __future__ import annotations

from bisect import bisect_right

CHUNK_BYTES = (
    65_536  # what is written to one client at once: about what its transport takes before it says that it is full
)


class LiveRing:
    """Frames by position: a number that goes on and on. `floor` is the seq up to which only the board knows what happened."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._frames: list[bytes] = []
        self._seqs: list[int] = []
        self._task_ids: list[str] = []
        self._bytes = 0
        self._last: tuple[int, int, bytes, int] | None = None  # most clients are at the same position
        self.first = 0
        self.floor = 0

    @property
    def end(self) -> int:
        """The position behind the newest frame."""
        return self.first + len(self._frames)

    def add(self, seq: int, task_id: str, frame: bytes) -> None:
        """Keep the newest frame."""
        self._frames.append(frame)
        self._seqs.append(seq)
        self._task_ids.append(task_id)
        self._bytes += len(frame)
        if self._bytes > self._most_bytes:
            self._drop(max(1, len(self._frames) // 4))  # many at once: taking one off the front moves all the others

    def clear(self, floor: int) -> None:
        """Forget all frames; the board knows what happened up to this seq."""
        self.first = self.end
        self._frames, self._seqs, self._task_ids, self._bytes = [], [], [], 0
        self.floor = floor

    def behind(self, seq: int) -> int:
        """The position of the first frame with a greater seq, which is not below `floor`."""
        return self.first + bisect_right(self._seqs, seq)

    def seq_before(self, position: int) -> int:
        """The seq of the last frame before this position."""
        index = position - self.first
        return self._seqs[index - 1] if index else self.floor

    def chunk(self, position: int, task_id: str | None) -> tuple[bytes, int]:
        """Frames from this position on, as many as are written at once, and the position behind them.

        With `task_id` those of this task alone.
        """
        if task_id is not None:
            return self._joined(position, task_id)
        if self._last is None or self._last[:2] != (position, self.end):
            self._last = (position, self.end, *self._joined(position, None))
        return self._last[2:]

    def _joined(self, position: int, task_id: str | None) -> tuple[bytes, int]:
        index, size, chosen = position - self.first, 0, []
        while index < len(self._frames) and size < CHUNK_BYTES:
            if task_id is None or self._task_ids[index] == task_id:
                chosen.append(self._frames[index])
                size += len(self._frames[index])
            index += 1
        return b"".join(chosen), self.first + index

    def _drop(self, count: int) -> None:
        self.floor = self._seqs[count - 1]
        self._bytes -= sum(map(len, self._frames[:count]))
        del self._frames[:count], self._seqs[:count], self._task_ids[:count]
        self.first += count
