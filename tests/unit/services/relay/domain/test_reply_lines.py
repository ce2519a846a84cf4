"""Replies of other servers: any octets in any pieces, bounded, never a surrogate."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.relay.domain.reply_lines import KEPT_LINE_OCTETS, KEPT_LINES, MAX_REPLY_OCTETS, RemoteReply, ReplyReader

pieces = st.lists(
    st.binary(max_size=60) | st.sampled_from([b"250 ok\r\n", b"250-more\r\n", b"421", b"\r\n"]), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_replies_do_not_depend_on_how_the_octets_were_cut(chunks: list[bytes]) -> None:
    whole, cut = ReplyReader(), ReplyReader()
    once = whole.feed(b"".join(chunks))
    assert [reply for chunk in chunks for reply in cut.feed(chunk)] == once
    assert cut.cut() == whole.cut()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_octets_become_what_a_database_or_a_log_cannot_hold(octets: bytes) -> None:
    reader = ReplyReader()
    for reply in [*reader.feed(octets), reader.cut()]:
        if reply is not None:
            assert reply.text.encode().decode() == reply.text
            assert reply.text.isprintable()
            assert 0 <= reply.code < 600


def test_a_reply_of_several_lines_is_one() -> None:
    assert ReplyReader().feed(b"250-one\r\n250-two\n250 three\r\n421 bye\r\n") == [
        RemoteReply(250, ("one", "two", "three")),
        RemoteReply(421, ("bye",)),
    ]


def test_what_is_no_smtp_has_no_code() -> None:
    for line in (
        b"HTTP/1.1 400\r\n",
        b"25\r\n",
        b"\r\n",
        b"999 x\r\n",
        b"2500 x\r\n",
        b"\xb2\xb5\xb0 x\r\n",
        b"-50 x\r\n",
    ):
        [reply] = ReplyReader().feed(line)
        assert (reply.code, reply.is_whole) == (0, False), line


def test_memory_is_bounded_and_the_code_survives_the_cut() -> None:
    reader = ReplyReader()
    replies = [
        reply for _ in range(MAX_REPLY_OCTETS // 1000 + 2) for reply in reader.feed(b"550-" + b"x" * 995 + b"\n")
    ]
    assert [(reply.code, reply.is_whole) for reply in replies] == [(550, False)]
    assert len(replies[0].lines) == KEPT_LINES
    assert max(map(len, replies[0].lines)) <= KEPT_LINE_OCTETS


def test_the_end_of_a_connection_may_cut_a_reply_and_not_its_code() -> None:
    for octets, code in ((b"250", 250), (b"250 ok", 250), (b"250-ok\r\n25", 250), (b"25", 0)):
        reader = ReplyReader()
        assert reader.feed(octets) == []
        cut = reader.cut()
        assert cut is not None
        assert (cut.code, cut.is_whole) == (code, False)
    assert ReplyReader().cut() is None
