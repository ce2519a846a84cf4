"""The warning to the owner of a nearly full mailbox."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes

from services.quota.domain.storage import Usage
from services.quota.warnings import warning

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USAGE = Usage(address="jean@example.org", used_bytes=900, messages=3, limit_bytes=1000)


def test_the_postmaster_of_the_domain_writes_where_no_author_is_set() -> None:
    letter = message_from_bytes(warning(USAGE, "key", NOW, author="", hostname="mx.example.org"))
    assert "postmaster@example.org" in letter["From"]
    assert letter["To"] == "jean@example.org"
    assert letter["Auto-Submitted"] == "auto-generated"


def test_an_author_of_the_settings_writes() -> None:
    letter = message_from_bytes(warning(USAGE, "key", NOW, author="help@example.org", hostname="mx.example.org"))
    assert "help@example.org" in letter["From"]
