"""A process that starts itself again: how often, after which pause, with what."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from libs.runtime.restart import LIMIT, VARIABLE, WINDOW, start_again


class Starts:
    """Time that passes only while it sleeps, and programs that are not executed."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []
        self.environ: Mapping[str, str] = {"PATH": "/bin"}
        self.executed: list[list[str]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def execute(self, program: str, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.executed.append([program, *arguments])
        self.environ = environ

    def again(self) -> str:
        return start_again(
            "the reason", environ=self.environ, now=lambda: self.now, sleep=self.sleep, execute=self.execute
        )


def test_it_starts_the_same_program_after_a_growing_pause_and_only_so_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "services"])
    starts = Starts()
    lines = [starts.again() for _ in range(LIMIT + 1)]
    assert starts.slept == [1, 2, 4, 8, 16]
    assert starts.executed == [[sys.executable, sys.executable, "-m", "services"]] * LIMIT
    assert starts.environ["PATH"] == "/bin"
    assert lines[-1] == "the reason; not started again, for it was 5 times within 1:00:00"
    assert capsys.readouterr().err.count("facteur: the reason; starts again in ") == LIMIT


def test_starts_of_long_ago_do_not_count() -> None:
    starts = Starts()
    for _ in range(LIMIT):
        starts.again()
    starts.now += WINDOW.total_seconds()
    starts.again()
    assert starts.slept[-1] == 1
    assert len(starts.executed) == LIMIT + 1


@pytest.mark.parametrize("given", ["", "x", "-1,,nan"])
def test_what_is_no_time_is_left_out(given: str) -> None:
    starts = Starts()
    starts.environ = {VARIABLE: given}
    starts.again()
    assert starts.slept == [1]
