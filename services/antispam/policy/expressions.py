"""The expressions of logic rules: `html_only and (bayes > 2 or not size < 1000)`.

    disjunction = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | comparison
    comparison  = term [ ("<" | "<=" | ">" | ">=" | "==" | "!=") term ]
    term        = number | "text" | name | "(" disjunction ")"

A name is a filter (its score in this message, 0 without a hit) or a fact. An expression can execute nothing but these
forms, and its length, its depth and the number of its terms are bounded.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = float | str | bool
Names = Mapping[str, Value]
Node = Callable[[Names], Value]

LENGTH_LIMIT = 1000  # characters
DEPTH_LIMIT = 20
NODE_LIMIT = 200

_TOKEN = re.compile(
    r"\s*+(?:(?P<number>-?[0-9]+(?:\.[0-9]+)?)|\"(?P<text>[^\"]*)\"|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)))"
)
_COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class InvalidExpression(ValueError):
    """The text is no expression; `str()` is one sentence that says where."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; `names` are the filters and facts that it uses."""

    node: Node
    names: frozenset[str]

    def evaluate(self, names: Names) -> bool:
        """Return whether the expression is true.

        A name without a value is 0. A text and a number have no order: all comparisons but `!=` are false.
        """
        return bool(self.node(names))


def compile_expression(text: str) -> Expression:
    """Parse an expression. Raises `InvalidExpression`."""
    if len(text) > LENGTH_LIMIT:
        raise InvalidExpression(f"the expression is longer than {LENGTH_LIMIT} characters")
    return _Parser(text).parse()


class _Parser:
    """A recursive descent parser: a method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._next = 0
        self._nodes = 0
        self._depth = 0
        self._names: set[str] = set()

    def parse(self) -> Expression:
        node = self._disjunction()
        if self._next < len(self._tokens):
            raise InvalidExpression(f"unexpected {self._tokens[self._next][1]!r}")
        return Expression(node, frozenset(self._names))

    def _disjunction(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise InvalidExpression(f"more than {DEPTH_LIMIT} levels")
        sides = [self._conjunction()]
        while self._accept("name", "or"):
            sides.append(self._conjunction())
        self._depth -= 1
        return sides[0] if len(sides) == 1 else lambda names: any(side(names) for side in sides)

    def _conjunction(self) -> Node:
        sides = [self._negation()]
        while self._accept("name", "and"):
            sides.append(self._negation())
        return sides[0] if len(sides) == 1 else lambda names: all(side(names) for side in sides)

    def _negation(self) -> Node:
        count = 0
        while self._accept("name", "not"):
            count += 1
        node = self._comparison()
        return (lambda names: not node(names)) if count % 2 else node

    def _comparison(self) -> Node:
        left = self._term()
        kind, sign = self._peek()
        if kind != "sign" or sign not in _COMPARISONS:
            return left
        self._next += 1
        right, compare = self._term(), _COMPARISONS[sign]
        return lambda names: _compare(compare, left(names), right(names))

    def _term(self) -> Node:
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise InvalidExpression(f"more than {NODE_LIMIT} terms")
        kind, text = self._peek()
        self._next += 1
        match kind:
            case "number":
                number = float(text)
                return lambda names: number
            case "text":
                return lambda names: text
            case "name" if text not in ("and", "or", "not"):
                self._names.add(text)
                return lambda names: names.get(text, 0.0)
            case "sign" if text == "(":
                node = self._disjunction()
                if not self._accept("sign", ")"):
                    raise InvalidExpression("a parenthesis is not closed")
                return node
        raise InvalidExpression(f"unexpected {text!r}" if text else "unexpected end")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _accept(self, kind: str, text: str) -> bool:
        if self._peek() != (kind, text):
            return False
        self._next += 1
        return True


def _compare(compare: Callable[[Value, Value], bool], left: Value, right: Value) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        return compare is operator.ne
    return compare(left, right)


def _tokenize(text: str) -> list[tuple[str, str]]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidExpression(f"unexpected character at {position + 1}: {text[position:].lstrip()[:1]!r}")
        kind = match.lastgroup or "text"
        found.append((kind, match[kind]))
        position = match.end()
    return found
