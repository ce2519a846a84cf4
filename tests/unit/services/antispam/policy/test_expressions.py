"""The expressions of logic rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.antispam.policy.expressions import InvalidExpression, Value, compile_expression

NAMES: dict[str, Value] = {"bayes": 5.2, "html_only": 0.8, "size": 1000.0, "subject": "hello world", "submitted": False}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("html_only", True),
        ("no_such_finding", False),
        ("not no_such_finding", True),
        ("not not html_only", True),
        ("bayes > 5", True),
        ("bayes >= 5.2 and size<1001", True),
        ("bayes < -1", False),
        ("size != 1000", False),
        ("html_only and (no_such or bayes > 9)", False),
        ("html_only or no_such and no_such", True),  # `and` binds more tightly
        ("no_such and no_such or html_only", True),
        ("not html_only or bayes > 5", True),  # `not` most tightly
        ("not (html_only or bayes > 5)", False),
        ('subject == "hello world"', True),
        ('subject < "i"', True),
        ('subject > 3 or subject == 3 or 3 < subject', False),  # a text has no place among the numbers
        ("subject != 3", True),
        ("submitted == 0", True),
        ("  1  ", True),
    ],
)  # fmt: skip
def test_an_expression_is_true_or_false_by_the_names_it_uses(text: str, holds: bool) -> None:
    assert compile_expression(text).evaluate(NAMES) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unexpected end"),
        ("a b", "unexpected 'b'"),
        ("a and", "unexpected end"),
        ("and a", "unexpected 'and'"),
        ("(a", "not closed"),
        ("a)", "unexpected ')'"),
        ("a < b < c", "unexpected '<'"),
        ("a; b", "unexpected character at 2: ';'"),
        ('"a', "unexpected character at 1"),
        ("__import__(os)", "unexpected '('"),
        ("(" * 21 + "a" + ")" * 21, "more than 20 levels"),
        ("(" * 990, "more than 20 levels"),
        ("0" + " or 1" * 199 + "<1", "more than 200 terms"),
        ("a" * 1001, "longer than 1000"),
    ],
)
def test_an_invalid_expression_is_refused_with_its_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidExpression, match=says.replace("(", r"\(").replace(")", r"\)")):
        compile_expression(text)


def test_an_expression_lists_the_names_that_it_uses() -> None:
    assert compile_expression('a and not (b > c or "d" == d)').names == {"a", "b", "c", "d"}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "bayes", "and", "or", "not", "(", ")", "<", ">=", "==", '"x"', "3.5", "-1", "%", "'"])
    )
)
def test_any_text_is_refused_or_has_a_value(pieces: list[str]) -> None:
    try:
        expression = compile_expression(" ".join(pieces))
    except InvalidExpression:
        return
    assert expression.evaluate(NAMES) in (True, False)
