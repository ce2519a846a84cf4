"""The warning to the owner of a nearly full mailbox."""

from __future__ import annotations

from datetime import datetime

from libs.postmaster import Letter, compose
from services.quota.domain.storage import Usage, warning_text


def warning(usage: Usage, key: str, now: datetime, *, author: str, hostname: str) -> bytes:
    """From `author`, or where that is empty from the postmaster of the account's domain."""
    subject, text = warning_text(usage)
    letter = Letter(
        author_name="Mail system",
        author=author or f"postmaster@{usage.address.rpartition('@')[2]}",
        to=usage.address,
        subject=subject,
        text=text,
        key=key,
        automatic="auto-generated",
    )
    return compose(letter, hostname=hostname, now=now)
