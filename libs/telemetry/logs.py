"""Structured logs: one JSON object a line on standard error; the message id is in each line of a message's way."""

from __future__ import annotations

import atexit
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

import orjson
import structlog

from libs.telemetry.lines import Lines

log = structlog.get_logger(__name__)


def configure_logs(level: str) -> None:
    """Send the logs of this process to standard error, from `level` on.

    Records of the module `logging`, warnings and uncaught exceptions are written too.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    lines = Lines(sys.stderr.buffer)
    atexit.register(lines.flush)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def _dumps(value: object, **_: object) -> bytes:
    try:
        return orjson.dumps(value, default=str)
    except TypeError:
        # Text of a peer may hold what orjson refuses (a lone surrogate, a huge number). A log line must never fail.
        return json.dumps(value, default=str, skipkeys=True).encode()


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": _message(record),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _dumps(line).decode()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return f"{record.msg} {record.args}"  # the caller's format does not fit its arguments


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("process_crashed", exc_info=(kind, error, trace))


def _thread_crashed(crash: threading.ExceptHookArgs) -> None:
    log.critical("thread_crashed", exc_info=crash.exc_value)
