"""Who listens on a port of this machine, as far as we may see it."""

from __future__ import annotations


def holder_of(port: int) -> str | None:
    """`python (pid 4711)`; None when nobody does, or it is another user's process."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", None) == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None
    return None
