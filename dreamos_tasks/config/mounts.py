"""On what kind of file system a folder lies: locks and change events cannot be relied on over a network."""

from __future__ import annotations

import os
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "glusterfs"}
)


def mount_kind(folder: Path) -> str:
    """The file system type of the mount that holds the folder, from /proc/self/mounts; "unknown" elsewhere."""
    best, kind = -1, "unknown"
    real = os.path.realpath(folder)
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return kind
    for line in lines:
        _, mount_point, mount_type, *_ = line.split(" ")
        at = mount_point.replace("\\040", " ")
        if (real == at or real.startswith(at.rstrip("/") + "/")) and len(at) >= best:
            best, kind = len(at), mount_type
    return kind
