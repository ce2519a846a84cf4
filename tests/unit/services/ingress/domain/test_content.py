"""What arrives between DATA and its end, however it is cut into pieces."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.domain.content import ContentFault, IncomingContent
from services.ingress.domain.dot_stuffing import DotUnstuffer

octets = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"x", b"\r", b"\n", b"\0", b"line", b"\r\n.", b"\r\n."]), max_size=30
).map(b"".join)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=50)


def pieces(whole: bytes, sizes: list[int]) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(whole):
        size = sizes[len(found) % len(sizes)]
        found.append(whole[at : at + size])
        at += size
    return found


def content(max_bytes: int = 10_000, max_line: int = 998) -> IncomingContent:
    return IncomingContent(max_bytes=max_bytes, max_line=max_line)


@given(octets, cuts)
def test_pieces_make_no_difference(whole: bytes, sizes: list[int]) -> None:
    at_once, cut = content(), content()
    at_once.append(whole)
    for piece in pieces(whole, sizes):
        cut.append(piece)
    assert (at_once.finish(), at_once.fault is None) == (cut.finish(), cut.fault is None)
    bare = whole.replace(b"\r\n", b"")
    assert (at_once.fault is None) == (not any(octet in bare for octet in (b"\r", b"\n", b"\0")))


@given(octets, octets, cuts)
def test_only_the_true_end_ends_a_message_and_dots_are_undone(text: bytes, rest: bytes, sizes: list[int]) -> None:
    """Against the rule of RFC 5321 4.5.2 written down line by line."""
    text = text.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"\r\n")
    lines = text.split(b"\r\n") if text else []
    stuffed = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
    taken = content()
    stream = DotUnstuffer(taken)
    left: bytes | None = None
    queue = pieces(stuffed + b".\r\n" + rest, sizes)
    while left is None:
        left = stream.feed(queue.pop(0))
    assert taken.finish() == b"".join(line + b"\r\n" for line in lines)
    assert left + b"".join(queue) == rest
    assert taken.sha256 == sha256(taken.finish()).hexdigest()


@pytest.mark.parametrize("before", [0, 1, 500, 997])
@pytest.mark.parametrize(("line", "fits"), [(0, True), (997, True), (998, True), (999, False), (5000, False)])
def test_a_line_may_have_998_octets_wherever_the_cuts_are(before: int, line: int, fits: bool) -> None:
    for step in (1, 7, 998, 1000, 10_000):
        taken = content()
        whole = b"a" * before + b"\r\n" + b"b" * line + b"\r\n" + b"c\r\n"
        for at in range(0, len(whole), step):
            taken.append(whole[at : at + step])
        assert (taken.finish() == whole) is fits
        assert taken.fault is (None if fits else ContentFault.LINE_TOO_LONG)


def test_after_a_fault_nothing_is_kept_and_the_count_goes_on() -> None:
    taken = content(max_bytes=10)
    taken.append(b"12345\r\n")
    taken.append(b"67890\r\n")
    taken.append(b"more\r\n")
    assert (taken.fault, taken.size_bytes, taken.finish()) == (ContentFault.TOO_LARGE, 20, b"")


def test_the_first_fault_is_the_one_that_is_told() -> None:
    taken = content(max_bytes=10)
    taken.append(b"a\nb")
    taken.append(b"x" * 20)
    assert taken.fault is ContentFault.BARE_LINE_END


def test_a_carriage_return_at_the_very_end_is_bare() -> None:
    taken = content()
    taken.append(b"x\r")
    taken.finish()
    assert taken.fault is ContentFault.BARE_LINE_END
