"""The suite that every built-in tool passes: the public one, as tests/tools/test_adapters.py derives it for each."""

from __future__ import annotations

from dreamos_tasks.testing import ToolConformance as AdapterSuite

__all__ = ["AdapterSuite"]
