"""Checks of the machine: the mount, the disk, file locks, inotify, and what ending whole process trees needs."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dreamos_tasks.app.checkup import ROOM_FACTOR, Finding, Level, Place

FADING_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})
FEWEST_INSTANCES = 16
FEWEST_WATCHES = 1024
LOCK_TIMEOUT_SECONDS = 30.0
INOTIFY_LIMITS = Path("/proc/sys/fs/inotify")
MIB = 1024 * 1024

# Another process tries to take the lock; it says whether it could.
TRY_LOCK = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("held")
else:
    print("free")
"""


def mount(place: Place) -> Iterator[Finding]:
    """What kind of file system the home is on."""
    from dreamos_tasks.config.mounts import NETWORK_FILE_SYSTEMS, mount_kind

    folder = _existing(place.board_path.parent)
    kind = mount_kind(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        detail = f"{folder} is on a network mount ({kind}), where locks cannot be trusted"
        yield Finding(check="mount", level=Level.FAIL, detail=detail, fix="keep the board on a local disk: --home DIR")
    elif kind in FADING_FILE_SYSTEMS:
        detail = f"{folder} is in memory ({kind}): the board is gone after a restart"
        yield Finding(check="mount", level=Level.WARN, detail=detail, fix="keep the board on a disk: --home DIR")
    else:
        yield Finding(check="mount", level=Level.OK, detail=f"{kind}, at {folder}")


def disk(place: Place) -> Iterator[Finding]:
    """Whether there is room."""
    folder = _existing(place.home.runtime)
    free = shutil.disk_usage(folder).free
    least = place.settings.limits.disk_free_bytes
    detail = f"{free // MIB} MiB free"
    if free < least:
        detail += f"; below {least // MIB} MiB (limits.disk_free_bytes) no task is started"
        yield Finding(check="disk", level=Level.FAIL, detail=detail, fix=f"du -sh {place.home.runs}/* | sort -h")
    elif free < least * ROOM_FACTOR:
        yield Finding(check="disk", level=Level.WARN, detail=detail, fix=f"du -sh {place.home.runs}/* | sort -h")
    else:
        yield Finding(check="disk", level=Level.OK, detail=detail)


def file_lock(place: Place) -> Iterator[Finding]:
    """Whether two processes really keep each other out, on this very file system."""
    from dreamos_tasks.stores.file_lock import FileLock

    folder = _existing(place.board_path.parent)
    if not os.access(folder, os.W_OK):
        yield Finding(check="file_lock", level=Level.FAIL, detail=f"{folder} cannot be written", fix=f"ls -ld {folder}")
        return
    path = folder / f".lock-test.{os.getpid()}"
    lock = FileLock(str(path), timeout_seconds=LOCK_TIMEOUT_SECONDS)
    try:
        with lock:
            while_held = _ask_other_process(path)
        when_free = _ask_other_process(path)
    finally:
        lock.close()
        path.unlink(missing_ok=True)
    if (while_held, when_free) == ("held", "free"):
        yield Finding(check="file_lock", level=Level.OK, detail="two processes keep each other out")
    else:
        detail = f"another process found the lock {while_held!r} while we held it, and {when_free!r} afterwards"
        yield Finding(
            check="file_lock", level=Level.FAIL, detail=detail, fix="keep the board on a local disk: --home DIR"
        )


def inotify(_: Place) -> Iterator[Finding]:
    """Whether dropped files can be noticed at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        why = os.strerror(ctypes.get_errno())
        fix = "sudo sysctl fs.inotify.max_user_instances=512"
        detail = f"no instance left ({why}): dropped files are found by looking, within inbox.rescan_seconds"
        yield Finding(check="inotify", level=Level.WARN, detail=detail, fix=fix)
        return
    os.close(descriptor)
    for name, fewest in (("max_user_instances", FEWEST_INSTANCES), ("max_user_watches", FEWEST_WATCHES)):
        limit = _number(INOTIFY_LIMITS / name)
        if limit is not None and limit < fewest:
            fix = f"sudo sysctl fs.inotify.{name}={fewest * 8}"
            yield Finding(check="inotify", level=Level.WARN, detail=f"{name} is only {limit}", fix=fix)
            return
    yield Finding(check="inotify", level=Level.OK, detail="dropped files are noticed at once")


def processes(_: Place) -> Iterator[Finding]:
    """Whether the kernel tells the end of processes, and leaves orphans to the daemon: so that whole trees can be ended."""
    from dreamos_tasks.tools.orphans import become_subreaper, is_subreaper

    was = is_subreaper()
    os.close(os.pidfd_open(os.getpid()))
    become_subreaper()
    become_subreaper(on=was)
    detail = f"pidfd and subreaper work; {_cgroup_words()}"
    yield Finding(check="processes", level=Level.OK, detail=detail)


def _cgroup_words() -> str:
    from dreamos_tasks.tools.cgroup import NotDelegated, divisible, own_cgroup

    try:
        base, _ = divisible(own_cgroup())
    except NotDelegated as reason:
        return f"a daemon started here holds limits without cgroups: {reason}"
    return f"a daemon started here gives each step a cgroup of its own, in {base}"


def _ask_other_process(path: Path) -> str:
    asked = subprocess.run(
        [sys.executable, "-I", "-c", TRY_LOCK, str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LOCK_TIMEOUT_SECONDS,
    )
    return asked.stdout.strip() or asked.stderr.strip()[-200:]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(above for above in (folder, *folder.parents) if above.exists())


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
