"""Header fields that we write: no injection, lawful lines, readable again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.folding import recipient
from libs.mail.headers import Headers, fold, mailbox

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x\r\nBcc: victim@example.org", id="CRLF"),
        pytest.param("x\nBcc: victim@example.org", id="LF"),
        pytest.param("x\rBcc: victim@example.org", id="CR"),
        pytest.param("x\r\n folded", id="a lawful looking fold"),
        pytest.param("x\0", id="NUL"),
        pytest.param("x\x0b", id="vertical tab"),
        pytest.param("x\udcff", id="surrogate"),
    ],
)
def test_a_value_that_could_add_a_field_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        fold("Subject", value)
    with pytest.raises(ValueError, match="control character"):
        mailbox(value, "jean@example.org")


@pytest.mark.parametrize("name", ["", "Sub ject", "Subject:", "Subject\r\nBcc", "Sujét", "X" * 77])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header name"):
        fold(name, "x")


@pytest.mark.parametrize(
    "address", ["x", "jean@example.org>, <victim@example.org", "a@b, c@d", "jéan@example.org", "a@b\r\nBcc: c@d", ""]
)
def test_what_is_no_single_ascii_address_makes_no_mailbox(address: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        mailbox("Jean", address)


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        pytest.param("", "jean@example.org", id="no name"),
        pytest.param("Jean Toto", "Jean Toto <jean@example.org>", id="atoms"),
        pytest.param("Toto, Jean", '"Toto, Jean" <jean@example.org>', id="a comma wants quotes"),
        pytest.param('J "x" \\', r'"J \"x\" \\" <jean@example.org>', id="quotes within quotes"),
        pytest.param("Été", "=?utf-8?b?w4l0w6k=?= <jean@example.org>", id="not ASCII"),
        pytest.param("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <jean@example.org>", id="looks encoded"),
    ],
)
def test_a_display_name_is_quoted_or_encoded_as_it_needs(display: str, expected: str) -> None:
    assert mailbox(display, "jean@example.org") == expected


def test_a_short_field_is_one_line() -> None:
    assert fold("Subject", "Hello  there ") == b"Subject: Hello there\r\n"


def test_a_word_too_long_for_any_line_is_encoded() -> None:
    field = fold("Subject", "x" * 5000)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert Headers(field).decoded("Subject") == "x" * 5000


@given(TEXT)
def test_every_value_keeps_to_its_lines_and_comes_back(text: str) -> None:
    field = fold("X-Test", text)
    lines = field.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 998 for line in lines)
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)
    headers = Headers(field)
    assert len(headers) == 1
    if "=?" not in text:
        assert headers.decoded("X-Test").split() == text.split()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=70), max_size=30))
def test_words_of_lawful_length_fold_to_78(words: list[str]) -> None:
    words = [word for word in words if not word.isascii() or len(word) < 60]
    assert all(len(line) <= 78 for line in fold("X-Test", " ".join(words)).split(b"\r\n"))


@given(TEXT)
def test_every_display_name_comes_back(display: str) -> None:
    headers = Headers(fold("To", mailbox(display, "jean@example.org") + ", marie@example.org"))
    (shown, address), (_, other) = headers.addresses("To")
    assert (address, other) == ("jean@example.org", "marie@example.org")
    assert shown.split() == display.split()


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("jean@example.org", "jean@example.org"),
        ("jéan@example.org", "=?utf-8?q?j=C3=A9an=40example=2Eorg?= :;"),
        ("=?utf-8?q?a?=@example.org", "=?utf-8?b?PT91dGYtOD9xP2E/PUBleGFtcGxlLm9yZw==?= :;"),
        ("\0", "=?utf-8?q?recipient?= :;"),
    ],
)
def test_any_envelope_address_has_a_form_for_the_to_field(address: str, field: str) -> None:
    assert recipient(address) == field
