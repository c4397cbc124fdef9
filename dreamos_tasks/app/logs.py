"""Sets up the daemon's log: to the terminal or journal, and to a file that is rotated."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from loguru import logger

from dreamos_tasks.config.settings import LoggingSettings

LINE = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level:<7} {message}"
JOURNAL_LINE = "{level:<7} {message}"  # the journal stamps the time itself


class _ToLoguru(logging.Handler):
    """Hands what libraries log with the standard library to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.opt(exception=record.exc_info).log(record.levelname, "{}: {}", record.name, record.getMessage())


def set_up_logging(settings: LoggingSettings, folder: Path, *, journal: bool) -> None:
    """Replace all sinks. A log folder that cannot be written leaves the terminal, and says so there."""
    logger.remove()
    logger.add(
        sys.stderr, level=settings.level, format=JOURNAL_LINE if journal else LINE, backtrace=False, diagnose=False
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    try:
        logger.add(
            folder / "daemon.log",
            level=settings.level,
            format=LINE,
            rotation=settings.rotation_bytes,
            retention=settings.keep_files,
            backtrace=False,
            diagnose=False,  # values of variables may be secrets
            enqueue=False,
            opener=_private_file,
        )
    except OSError as error:
        logger.error("no log file can be written in {}: {}", folder, error)


def _private_file(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
