"""Who hears that a message did not arrive."""

from __future__ import annotations

from libs.envelope import Envelope, Recipient


def hears_of_failure(envelope: Envelope, recipient: Recipient) -> bool:
    """Whether the envelope sender is told that `recipient` did not get the mail.

    Never the null sender (RFC 5321 6.1), nor that of spam, which is forged (no backscatter), unless a person has found
    that it is none; nor who asked not to hear (RFC 3461 4.1).
    """
    verdict = envelope.verdicts.get(recipient.domain)
    is_spam = verdict is not None and verdict.spam and not envelope.released
    wanted = {word.upper() for word in recipient.notify} or {"FAILURE"}
    return bool(envelope.mail_from) and not is_spam and "FAILURE" in wanted
