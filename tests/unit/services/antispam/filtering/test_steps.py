"""Steps of the chain: their documentation, their limits."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.steps import Kind, Step
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report
from tests.specimens.steps import a_filter, a_step


def test_a_step_is_called_and_documented_as_its_module() -> None:
    module = ModuleType("services.antispam.filters.example", "What it detects.\n\nWhy.\n\nSee: RFC 5321 4.1.\n")
    module.check = a_filter(MISS)  # type: ignore[attr-defined]
    step = Step.of(module, Kind.SCORE, 1.0)
    assert (step.name, step.description, step.reference) == ("example", "What it detects.\n\nWhy.", "RFC 5321 4.1")


def test_a_step_of_a_function_has_its_name_and_its_documentation() -> None:
    async def example_strict(mail: MailView, context: FilterContext) -> Report:
        """What it detects."""
        return MISS

    step = Step.of(example_strict, Kind.SCORE, 1.0)
    assert (step.name, step.check, step.description) == ("example_strict", example_strict, "What it detects.")
    assert step.reference == ""


@pytest.mark.parametrize("wrong", [{"per_domain": True}, {"deadline": None}])
def test_a_step_that_asks_outside_has_a_deadline_and_is_no_domains_own(wrong: dict[str, Any]) -> None:
    asking = {"deadline": timedelta(seconds=30), "needs_lookup": lambda mail, context: True, **wrong}
    with pytest.raises(ValueError, match="step one"):
        a_step("one", MISS, **asking)
