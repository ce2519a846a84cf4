"""Values with parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.parameters import parse_parameters


@pytest.mark.parametrize(
    ("text", "value", "parameters"),
    [
        pytest.param("text/plain", "text/plain", {}, id="no parameter"),
        pytest.param("Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}, id="case"),
        pytest.param('a/b; name="x; y=z"', "a/b", {"name": "x; y=z"}, id="semicolon in quotes"),
        pytest.param(r'a/b; name="a\"b\\c"', "a/b", {"name": r"a\"b\c".replace(r"\"", '"')}, id="escapes"),
        pytest.param("a/b ; name = my file.pdf ;x=1", "a/b", {"name": "my file.pdf", "x": "1"}, id="unquoted spaces"),
        pytest.param("a/b (a comment); x=1", "a/b", {"x": "1"}, id="comment"),
        pytest.param("a/b; name*=utf-8'fr'%C3%A9t%C3%A9", "a/b", {"name": "été"}, id="extended"),
        pytest.param("a/b; name=x; name*=utf-8''y", "a/b", {"name": "y"}, id="extended before plain"),
        pytest.param('a/b; n*1=" b"; n*0=a; n*2*=%20c', "a/b", {"n": "a b c"}, id="continued, out of order"),
        pytest.param("a/b; n*0*=utf-8''%C3; n*1*=%A9", "a/b", {"n": "é"}, id="a character cut in two"),
        pytest.param("a/b; n*=x-none''%E9", "a/b", {"n": "é"}, id="unknown charset"),
        pytest.param("a/b; n*=noquotes%20", "a/b", {"n": "noquotes "}, id="extended without a charset"),
        pytest.param("a/b; n*9999=x; m=1", "a/b", {"m": "1"}, id="a number without sense"),
        pytest.param('a/b; n="open', "a/b", {"n": "open"}, id="quote never closed"),
        pytest.param("a/b; ;; =x; novalue; n=1", "a/b", {"n": "1"}, id="rubbish between"),
        pytest.param("", "", {}, id="nothing"),
        pytest.param("; x=1", "", {"x": "1"}, id="no value"),
    ],
)
def test_parameters_are_read_as_clients_do(text: str, value: str, parameters: dict[str, str]) -> None:
    parsed = parse_parameters(text)
    assert (parsed.value, parsed.parameters) == (value, parameters)


def test_the_first_of_two_counts_and_the_repetition_is_told() -> None:
    parsed = parse_parameters("multipart/mixed; boundary=a; boundary=b")
    assert parsed.parameters["boundary"] == "a"
    assert parsed.repeated == {"boundary"}


@pytest.mark.parametrize("piece", [";", "; ", '; a="', "; a=b", "=", '"', "; a*1*=%", "; a" + "\\"])
def test_a_crafted_value_of_200_kb_is_read_in_one_pass(piece: str) -> None:
    assert len(parse_parameters("a/b;" + piece * (200_000 // len(piece))).parameters) <= 200


@given(st.text(max_size=60) | st.text("ab/;=\"*0%' \\", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for value in parse_parameters(text).parameters.values():
        value.encode("utf-8", "surrogatepass")
