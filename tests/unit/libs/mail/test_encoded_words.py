"""RFC 2047, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.encoded_words import decode_words, encode_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain", "plain", id="nothing encoded"),
        pytest.param("=?utf-8?q?Caf=C3=A9_noir?=", "Café noir", id="Q"),
        pytest.param("=?UTF-8?B?Q2Fmw6k=?=", "Café", id="B"),
        pytest.param("=?utf-8?b?Q2Fmw6k?=", "Café", id="B without padding"),
        pytest.param("=?iso-8859-1*fr?q?=E9t=E9?=", "été", id="with a language, RFC 2231 5"),
        pytest.param("a =?utf-8?q?b?= c", "a b c", id="among plain words"),
        pytest.param("=?utf-8?q?a?= =?utf-8?q?b?=", "ab", id="space between words is dropped"),
        pytest.param("=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé", id="two charsets"),
        pytest.param("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é", id="a character cut in two"),
        pytest.param("=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€", id="a character cut in two, B"),
        pytest.param("=?x-nonsense?q?caf=E9?=", "café", id="unknown charset"),
        pytest.param("=?idna?q?a?=", "a", id="a codec that is no charset"),
        pytest.param("=?punycode?q?a-b?=", "a-b", id="a quadratic codec is not asked"),
        pytest.param("=?unicode_escape?q?=5Cx41?=", "\\x41", id="escapes stay escapes"),
        pytest.param("=?zlib?b?YWJj?=", "abc", id="a compressor is no charset"),
        pytest.param("=?utf-7?q?+ZeVnLIqe-?=", "日本語", id="UTF-7"),
        pytest.param("=?gb2312?b?xOO6w6Y=?=", None, id="cut inside a character"),
        pytest.param("=?utf-8?x?a?=", "=?utf-8?x?a?=", id="unknown encoding stays"),
        pytest.param("=?utf-8?q?a", "=?utf-8?q?a", id="never closed"),
        pytest.param("=?utf-8?q??=", "", id="empty"),
        pytest.param("=?utf-8?Q?Are_you_there??=", "Are you there?", id="a question mark inside"),
        pytest.param("=?utf-8?Q?Who?_You?_Yes?= x", "Who? You? Yes x", id="question marks inside"),
        pytest.param("=?utf-8?q?a=?b?=", "=?utf-8?q?a=?b?=", id="another word seems to start"),
        pytest.param("=?utf-8?b?4oK?= =?utf-8?b?s4oKs?=", "€€", id="base64 cut between words"),
        pytest.param("=?utf-8?b?4oK?=\r\n =?utf-8?b?s?= =?utf-8?q?a?=", "€a", id="base64 cut, then Q"),
        pytest.param("=?utf-8?b?YQ==?= =?utf-8?b?Yg==?=", "ab", id="base64 with padding"),
        pytest.param("=?utf-8?b?A?=", "", id="one character of base64"),
    ],
)
def test_encoded_words_are_read_as_clients_show_them(text: str, expected: str | None) -> None:
    decoded = decode_words(text)
    decoded.encode("utf-8")
    if expected is not None:
        assert decoded == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200), st.integers(20, 75))
def test_words_that_we_write_are_lawful_and_come_back(text: str, first: int) -> None:
    words = encode_words(text, first_octets=first)
    assert all(word.isascii() and len(word) <= 75 for word in words)
    assert len(words[0]) <= max(first, 24)
    assert decode_words(" ".join(words)) == text


@given(st.text("=?utf-8bq \t_éAZ0\n", max_size=60) | st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert not set(decode_words(text)) & {"\r", "\n", "\0"}
