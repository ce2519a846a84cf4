"""Messages that `no_sender` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_message
from tests.specimens.filter_cases import Case, filter_tests, to

NOTICE = {"content_type": 'multipart/report; report-type="delivery-status"; boundary=b'}


HITS = (
    Case("no_sender", "no notification", None, {"mail_from": ""}),
    Case("no_sender", "several recipients", a_message(**NOTICE), {"mail_from": "", **to("a@b.c", "d@b.c")}),
)
MISSES = (
    Case("no_sender", "a delivery report", a_message(**NOTICE), {"mail_from": ""}),
    Case("no_sender", "an automatic answer", a_message("x", "Auto-Submitted: auto-replied"), {"mail_from": ""}),
    Case("no_sender", "an old bounce", a_message(**{"from": "MAILER-DAEMON@elsewhere.example"}), {"mail_from": ""}),
)

test_hits, test_misses = filter_tests(HITS, MISSES)
