"""Inheritance of policies."""

import pytest
from pydantic import ValidationError

from services.antispam.policy.policy import DEFAULT_POLICY, Policy, inherit


def test_missing_fields_are_inherited_filter_by_filter() -> None:
    common = inherit({"required": 5.0, "filters": {"a_filter": True, "b_filter": True}}, DEFAULT_POLICY)
    own = inherit({"action": "junk", "filters": {"b_filter": False}}, common)
    assert own == Policy(required=5.0, action="junk", filters={"a_filter": True, "b_filter": False})


@pytest.mark.parametrize(
    "own",
    [{"action": "drop"}, {"required": 0}, {"subject_prefix": "a\r\nBcc: x"}, {"scores": {"helo": 1000}}, {"x": 1}],
)
def test_invalid_fields_are_refused(own: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        inherit(own, DEFAULT_POLICY)
