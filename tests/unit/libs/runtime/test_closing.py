"""Steps of the way down: none takes longer than its bound, and none keeps the others from theirs."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from libs.runtime.closing import CLOSING, within
from libs.settings import ServiceSettings
from services import SERVICES

ROOT = Path(__file__).parents[4]


async def stubborn() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise


async def failing() -> None:
    raise KeyError("a bug")


async def done() -> None:
    pass


STEPS = {
    "done": (done, []),
    "late": (stubborn, ["shutdown_step_timed_out"]),
    "a bug": (failing, ["shutdown_step_failed"]),
}


@pytest.mark.parametrize(("step", "told"), STEPS.values(), ids=STEPS.keys())
async def test_a_step_is_over_within_its_bound_and_its_failure_is_told(step: object, told: list[str]) -> None:
    began = time.monotonic()
    with capture_logs() as logs:
        await within(timedelta(seconds=0.05), "one", step())  # type: ignore[operator]
    assert [line["event"] for line in logs] == told
    assert time.monotonic() - began < 5


async def test_a_step_is_cut_off_when_its_owner_is() -> None:
    task = asyncio.create_task(within(timedelta(hours=1), "one", stubborn()))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("service", SERVICES)
def test_the_grace_of_a_pod_is_longer_than_the_way_down(service: str) -> None:
    deployment = next(yaml.safe_load_all((ROOT / f"k8s/base/{service}.yaml").read_text()))
    spec = deployment["spec"]["template"]["spec"]
    before = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    down = ServiceSettings().drain_deadline + CLOSING
    assert spec["terminationGracePeriodSeconds"] > before + down.total_seconds()
