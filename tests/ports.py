"""A port for who comes back to it: the kernel gives those of its own range to any connection of any test, meanwhile."""

from __future__ import annotations

import random
import socket
from pathlib import Path

KERNELS_OWN = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, HIGHEST = 10_000, 65_535


def lasting_port() -> int:
    """A port that is free now, and that nobody is given who does not ask for it."""
    first, last = map(int, KERNELS_OWN.read_text(encoding="ascii").split())
    others = [port for port in range(LOWEST, HIGHEST + 1) if not first <= port <= last]
    for port in random.sample(others, len(others)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
