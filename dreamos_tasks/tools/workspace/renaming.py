"""Renaming that replaces nothing: what `os.rename` has no word for."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Any

RENAME_NOREPLACE = 1  # linux/fs.h


def rename_to_free_name(old: str, new: str, *, old_folder: int, new_folder: int) -> None:
    """Rename within open folders. Raises FileExistsError when something has the new name, and OSError."""
    number = _renameat2(old, new, old_folder, new_folder)
    if number in (
        errno.ENOSYS,
        errno.EINVAL,
    ):  # an old kernel, a file system that does not know the flag, or a real mistake
        if _exists(new, new_folder):
            number = errno.EEXIST
        else:
            os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
            return
    if number:
        raise OSError(number, os.strerror(number), new)


def _renameat2(old: str, new: str, old_folder: int, new_folder: int) -> int:
    """The error's number, 0 when it was renamed."""
    call = _call()
    if call is None:
        return errno.ENOSYS
    if call(old_folder, os.fsencode(old), new_folder, os.fsencode(new), RENAME_NOREPLACE) == 0:
        return 0
    return ctypes.get_errno()


@cache
def _call() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "renameat2", None)  # glibc 2.28, musl 1.2.6
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return call


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
