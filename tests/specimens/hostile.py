"""Messages made to cost a filter its time or memory; the rows are those of the list of attack inputs."""

from __future__ import annotations

from tests.specimens.antispam import a_message, html, multipart

MEGABYTE = 1_000_000


def nested(levels: int) -> bytes:
    """Multiparts inside each other."""
    heads = "".join(
        f"Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n" for level in range(levels)
    )
    return b"MIME-Version: 1.0\r\n" + heads.encode() + b"Content-Type: text/plain\r\n\r\nx"


# What it is, raw message.
HOSTILE: dict[str, bytes] = {
    "50: a header of 10 MB": a_message("x", "X-Long: " + "x" * 10 * MEGABYTE),
    "50: 100,000 header fields": a_message("x", *("X-Many: y" for _ in range(100_000))),
    "50: no blank line, no colon": b"x" * MEGABYTE,
    "51: 10,000 authors": a_message(**{"from": ", ".join(f"a{number}@x.example" for number in range(10_000))}),
    "51: a From of brackets": a_message(**{"from": "(" * 40_000 + "<" * 40_000}),
    "56: 10,000 levels": nested(10_000),
    "56: 50,000 parts": multipart(*["Content-Type: text/plain\r\n\r\nx"] * 50_000),
    "62: a subject for backtracking": a_message(subject="a" * 60_000 + "!"),
    "62: a URL of 1 MB": a_message("see http://x.example/" + "a" * MEGABYTE),
    "62: a link of 1 MB": html('<a href="http://x.example/' + "a" * MEGABYTE + '">here</a>'),
    "62: 100,000 links": html('<a href="http://x.example/">click here</a>' * 100_000),
    "62: tags that never end": html("<a href=" * 200_000),
    "62: nested tags": html("<div>" * 200_000),
    "62: one word of 1 MB": a_message("a" * MEGABYTE),
    "62: dots and hyphens": a_message(".-" * (MEGABYTE // 2)),
    "62: invisible characters": a_message("v\u200b" * (MEGABYTE // 4)),
    "62: 100,000 encoded words": a_message(subject="=?utf-8?q?a?= " * 100_000),
    "62: a date of digits": a_message(date="9" * 500_000),
    "62: received by nobody": a_message("x", *("Received: by " + "b" * 900 for _ in range(1_000))),
}
