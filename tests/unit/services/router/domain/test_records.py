"""Stored documents of the router."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.router.domain.records import AccountDetails, AddressRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_documents_of_former_versions_name_a_suspended_account_locked() -> None:
    fields = {"login": "toto-j", "official_address": "j@example.org"}
    assert AccountDetails.model_validate({**fields, "locked": True}).suspended
    assert not AccountDetails.model_validate({**fields, "locked": False}).suspended
    assert not AccountDetails.model_validate({**fields, "suspended": False, "locked": True}).suspended
    assert "locked" not in AccountDetails.model_validate({**fields, "locked": True}).model_dump()


def test_an_alias_has_no_details() -> None:
    record = AddressRecord(address="a@example.org", domain="example.org", kind="alias", created_at=NOW)
    with pytest.raises(LookupError):
        _ = record.details


def test_details_change_in_a_copy() -> None:
    details = AccountDetails(login="toto-j", official_address="j@example.org")
    record = AddressRecord(
        address="j@example.org", domain="example.org", kind="account", created_at=NOW, account=details
    )
    suspended = record.with_details(suspended=True)
    assert (record.details.suspended, suspended.details.suspended) == (False, True)
    assert suspended.details.login == "toto-j"
