"""Logs as the collector sees them: standard error of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]

PROGRAM = """
import asyncio, gc, logging, threading, warnings
import structlog
from libs.telemetry import configure_logs

early = structlog.get_logger("early")
configure_logs("info")
log = structlog.get_logger(__name__)

early.info("from_a_logger_made_before")
log.debug("too_quiet")
log.info("mail_judged", id="a1", score=7.5, nested={"a": [1, None]})
log.info("two\\nlines", text="a\\r\\nb\\x00")
log.info("surrogate", helo="caf\\udce9")
log.info("huge", number=2**80)
log.info("odd_keys", table={1: "one", ("a", "b"): "tuple"})
log.info("objects", error=ValueError("x"), values={"set"}, path=threading)
with structlog.contextvars.bound_contextvars(id="b2"):
    log.info("bound")
try:
    raise ValueError("first\\nsecond \\udce9")
except ValueError as error:
    log.exception("raised")
    log.error("passed", exc_info=error)
    logging.getLogger("library").exception("library_raised")
logging.getLogger("library").info("library_too_quiet")
logging.getLogger("library").warning("library %s %s", "says", "so")
logging.getLogger("library").warning("library_surrogate caf\\udce9")
logging.getLogger("library").warning("wrong arguments %d", "x")
warnings.warn("this_is_old", DeprecationWarning, stacklevel=1)

async def forgotten():
    raise RuntimeError("nobody_awaits")

async def main():
    task = asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    del task
    gc.collect()

asyncio.run(main())
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise LookupError("at_the_end")
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "always", "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    return [json.loads(line) for line in done.stderr.splitlines()]  # one object a line, or this fails


def find(lines: list[dict[str, Any]], text: str) -> dict[str, Any]:
    [found] = [line for line in lines if text in json.dumps(line)]
    return found


def test_every_line_says_what_when_and_how_bad(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert {"event", "level", "timestamp"} <= line.keys(), line
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None


def test_fields_keep_their_types(lines: list[dict[str, Any]]) -> None:
    line = find(lines, "mail_judged")
    assert (line["id"], line["score"], line["nested"]) == ("a1", 7.5, {"a": [1, None]})


def test_what_is_below_the_level_is_not_there(lines: list[dict[str, Any]]) -> None:
    assert not [line for line in lines if "too_quiet" in line["event"]]


def test_the_fields_of_the_context_are_in_the_line(lines: list[dict[str, Any]]) -> None:
    assert find(lines, '"bound"')["id"] == "b2"


@pytest.mark.parametrize("event", ["two", "surrogate", "huge", "odd_keys", "objects", "from_a_logger_made_before"])
def test_no_value_breaks_a_line(lines: list[dict[str, Any]], event: str) -> None:
    assert find(lines, f'"event": "{event}')["level"] == "info"


@pytest.mark.parametrize("event", ["raised", "passed", "library_raised"])
def test_an_exception_is_within_its_line(lines: list[dict[str, Any]], event: str) -> None:
    line = find(lines, f'"event": "{event}"')
    assert line["level"] == "error"
    assert "Traceback" in line["exception"]
    assert "ValueError: first\nsecond" in line["exception"]


@pytest.mark.parametrize(
    ("text", "level"),
    [("library says so", "warning"), ("library_surrogate", "warning"), ("this_is_old", "warning"),
     ("nobody_awaits", "error"), ("division by zero", "critical"), ("at_the_end", "critical")],
)  # fmt: skip
def test_libraries_warnings_and_crashes_come_along(lines: list[dict[str, Any]], text: str, level: str) -> None:
    assert find(lines, text)["level"] == level
