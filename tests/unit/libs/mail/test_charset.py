"""Octets to text."""

import encodings.aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webencodings.labels import LABELS

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
        pytest.param("Привіт".encode("koi8-u"), "koi8-u", "Привіт", id="KOI8-U"),
        pytest.param(b"\x87\x40\x8a\x94", "Windows-31J", "①株", id="Shift_JIS with rows of NEC"),
        pytest.param(b'\x1b$B-!-"\x1b(B', "ISO-2022-JP", "①②", id="ISO 2022 with rows of NEC"),
        pytest.param(b"\x1b(I1\x1b(B x", "iso-2022-jp", "ｱ x", id="ISO 2022 with half-width katakana"),
        pytest.param("日\r\n本".encode("iso-2022-jp"), "iso-2022-jp", "日\r\n本", id="ISO 2022 on two lines"),
        pytest.param(b"\xad\xa1\xc6\xfc", "euc-jp", "①日", id="EUC-JP with rows of NEC"),
        pytest.param("朱镕基".encode("gbk"), "gb_2312-80", "朱镕基", id="another name of GB 2312"),
        pytest.param("犇".encode("big5hkscs"), "cn-big5", "犇", id="Big5"),
        pytest.param("é".encode(), "ANSI_X3.4-1968", "é", id="ASCII of cron"),
        pytest.param("한".encode("cp949"), "korean", "한", id="another Korean alias"),
        pytest.param("ж".encode("cp1251"), "windows1251", "ж", id="without a hyphen"),
        pytest.param("é".encode("cp850"), "cp-850", "é", id="with a hyphen"),
        pytest.param("Č".encode("mac_latin2"), "x-mac-ce", "Č", id="a Macintosh"),
        pytest.param("€".encode("iso8859-15"), "latin-9", "€", id="Latin-9 by its number"),
        pytest.param("a".encode("utf-16-be"), "utf-16be", "a", id="UTF-16, big end first"),
        pytest.param(b"\xff\xfea\0", "ucs-2", "a", id="UCS-2"),
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
    before = len(encodings._cache)
    for number in range(300):
        decode(b"\xff", f"x-made-up-{number}")
    assert len(encodings._cache) == before


@pytest.mark.parametrize("label", sorted(LABELS))
def test_every_label_of_browsers_is_known_and_gives_text_without_surrogates(label: str) -> None:
    for octets in (b"x\x9c-\xff\\N{", bytes(range(256)), b"\xd8\x00\xdc", b"\x1b$B\xff!", b"+2AA-"):
        decode(octets, label).encode("utf-8")
    if LABELS[label] not in ("replacement", "x-user-defined"):
        assert decode(b"abcd", label) in ("abcd", "\u6261\u6463", "\u6162\u6364")


@given(st.binary(max_size=60), st.text(max_size=20) | st.sampled_from(sorted(encodings.aliases.aliases)))
def test_any_octets_in_any_charset_become_text_without_an_error(octets: bytes, charset: str) -> None:
    decode(octets, charset).encode("utf-8")
