"""Several concurrent errors, reported as one."""

from __future__ import annotations

from collections.abc import Iterator

from libs.envelope import Permanent, Temporary


def merge_errors(group: ExceptionGroup) -> Exception:
    """Reduce a group of errors to one: with a bug, the group; otherwise a `Temporary` before a `Permanent`.

    A retry meets the permanent error again, and then alone.
    """
    errors = list(_leaves(group))
    if not all(isinstance(error, Temporary | Permanent) for error in errors):
        return group
    return next((error for error in errors if isinstance(error, Temporary)), errors[0])


def _leaves(group: ExceptionGroup) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
