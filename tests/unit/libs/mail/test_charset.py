"""Octets to text."""

import encodings.aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.charset import decode


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        pytest.param(b"abc", "", "abc", id="nothing declared"),
        pytest.param("é".encode(), "", "é", id="undeclared UTF-8"),
        pytest.param(b"\x80\xe9", "", "€é", id="undeclared windows-1252"),
        pytest.param("é€".encode(), "us-ascii", "é€", id="UTF-8 declared as ASCII"),
        pytest.param(b"\xe9", "us-ascii", "é", id="windows-1252 declared as ASCII"),
        pytest.param(b"a\xff", "utf-8", "a\ufffd", id="a slip in UTF-8"),
        pytest.param(b"\x80", "ISO-8859-1", "€", id="Latin-1 means windows-1252"),
        pytest.param(b"\xa4", "iso-8859-15", "€", id="Latin-9"),
        pytest.param("зд".encode("koi8-r"), "KOI8-R", "зд", id="KOI8"),
        pytest.param("日本".encode("iso-2022-jp"), "iso-2022-jp", "日本", id="ISO 2022"),
        pytest.param("\u4e02".encode("gb18030"), "gb2312", "\u4e02", id="GB 2312 means its superset"),
        pytest.param("한".encode("cp949"), "ks_c_5601-1987", "한", id="a Korean alias"),
        pytest.param("a".encode("utf-16"), "utf-16", "a", id="UTF-16"),
        pytest.param(b"+2AA-", "utf-7", "?", id="a lone surrogate out of UTF-7"),
        pytest.param(b"abc", "x-no-such-charset", "abc", id="unknown"),
        pytest.param(b"abc", "é\0" * 50, "abc", id="rubbish for a name"),
        pytest.param(b"abc", "../../etc", "abc", id="a path for a name"),
    ],
)
def test_octets_become_the_text_that_a_client_shows(octets: bytes, charset: str, text: str) -> None:
    assert decode(octets, charset) == text


@pytest.mark.parametrize("charset", sorted({*encodings.aliases.aliases, *encodings.aliases.aliases.values()}))
def test_no_name_that_python_knows_raises_or_runs_a_codec_that_is_no_charset(charset: str) -> None:
    decode(b"x\x9c-\xff\\N{", charset).encode("utf-8")


def test_unknown_names_leave_nothing_behind_in_the_codec_registry() -> None:
    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(300):
        decode(b"\xff", f"x-made-up-{number}")
    assert len(encodings._cache) == before  # type: ignore[attr-defined]


@given(st.binary(max_size=60), st.text(max_size=20) | st.sampled_from(sorted(encodings.aliases.aliases)))
def test_any_octets_in_any_charset_become_text_without_an_error(octets: bytes, charset: str) -> None:
    decode(octets, charset).encode("utf-8")
