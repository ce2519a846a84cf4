"""Several errors at once become one."""

from __future__ import annotations

from libs.envelope import Permanent, Temporary
from libs.runtime.failures import merge_errors

LATER, NEVER, BUG = Temporary("away"), Permanent("refused"), ValueError("bug")


def test_a_temporary_error_is_reported_before_a_permanent_one() -> None:
    assert merge_errors(ExceptionGroup("all", [NEVER, ExceptionGroup("inner", [LATER, NEVER])])) is LATER
    assert merge_errors(ExceptionGroup("all", [NEVER])) is NEVER


def test_a_group_with_a_bug_stays_a_group() -> None:
    group = ExceptionGroup("all", [LATER, ExceptionGroup("inner", [BUG])])
    assert merge_errors(group) is group
