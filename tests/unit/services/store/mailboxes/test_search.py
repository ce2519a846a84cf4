"""Text of messages, as people search it."""

from __future__ import annotations

import pytest

from services.store.mailboxes.search import contains_text

RAW = (
    b"Subject: =?utf-8?q?Caf=C3=A9?= plans\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"the very lo=\r\nng line\r\nends here\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p title='hidden'>some <b>bold</b> words</p><style>styled</style>\r\n"
    b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nattached\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CAFÉ", True),
        ("very long line ends", True),
        ("bold words", True),
        ("styled", False),
        ("hidden", False),
        ("attached", False),
        ("multipart", False),
    ],
)
def test_only_what_a_person_reads_is_found(text: str, found: bool) -> None:
    assert contains_text(RAW, text) is found
