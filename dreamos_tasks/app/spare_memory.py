"""Gives memory back to the system that was only needed while something large was made."""

from __future__ import annotations

import ctypes
import gc


def give_back_memory() -> None:
    """Collect what nobody refers to, and have the C library hand over what is free then; where it can, which is glibc."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
