"""The header of a load balancer, in all its lengths."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.lineserver.proxy_protocol import BadProxyHeader, ProxyHeader, parse_proxy_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V6 = bytes.fromhex("20010db8" + "00" * 11 + "07") * 2 + b"\x12\x67\0\x19"

GOOD = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n", ("192.0.2.7", 4711)),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n", ("2001:db8::7", 4711)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    (SIGNATURE + b"\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\x12\x67\0\x19", ("192.0.2.7", 4711)),
    (SIGNATURE + b"\x21\x21\0\x24" + V6, ("2001:db8::7", 4711)),
    (SIGNATURE + b"\x21\x11\0\x10\xc0\0\x02\x07\xc0\0\x02\x01\x12\x67\0\x19TLV!", ("192.0.2.7", 4711)),
    (SIGNATURE + b"\x20\x11\0\x00", None),
    (SIGNATURE + b"\x21\x00\0\x00", None),
]


@pytest.mark.parametrize(("octets", "source"), GOOD)
def test_a_header_is_whole_at_its_last_octet_and_not_before(octets: bytes, source: tuple[str, int] | None) -> None:
    for length in range(1, len(octets)):
        assert parse_proxy_header(octets[:length]) is None
    assert parse_proxy_header(octets + b"EHLO x\r\n") == ProxyHeader(source, len(octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n",
        b"PROXY TCP5 192.0.2.7 192.0.2.1 1 25\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\n",
        b"PROXY " + b"x" * 101,
        SIGNATURE + b"\x11\x11\0\x0c",
        SIGNATURE + b"\x21\x11\x08\x01",
        SIGNATURE + b"\x21\x31\0\x00",
        SIGNATURE + b"\x21\x11\0\x0b" + b"x" * 11,
        SIGNATURE + b"\x21\x21\0\x0c" + b"x" * 12,
    ],
)
def test_anything_else_is_no_header(octets: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        parse_proxy_header(octets)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(lambda tail: SIGNATURE + tail)))
def test_no_octets_make_the_parser_fail_otherwise(octets: bytes) -> None:
    with suppress(BadProxyHeader):
        parse_proxy_header(octets)
