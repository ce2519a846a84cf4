"""The small language of logic rules: `html_only and (bayes > 2 or not size < 1000)`.

    either     = both { "or" both }
    both       = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = term [ ("<" | "<=" | ">" | ">=" | "==" | "!=") term ]
    term       = number | "text" | name | "(" either ")"

Names are filters (their score in this message, 0 without a hit) and facts. Nothing is ever executed but these forms,
and length, depth and number of nodes are bounded.
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
    """It cannot be read; `str()` is one sentence that says where."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`holds(names)` is the value of the expression; `names` are those that it asks for."""

    node: Node
    names: frozenset[str]

    def holds(self, names: Names) -> bool:
        """A name that is not given is 0; a text compared with a number by order is not less, not greater."""
        return bool(self.node(names))


def compile_expression(text: str) -> Expression:
    """Raises `InvalidExpression`."""
    if len(text) > LENGTH_LIMIT:
        raise InvalidExpression(f"the expression is longer than {LENGTH_LIMIT} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._nodes = 0
        self._depth = 0
        self._names: set[str] = set()

    def whole(self) -> Expression:
        node = self._either()
        if self._next < len(self._tokens):
            raise InvalidExpression(f"unexpected {self._tokens[self._next][1]!r}")
        return Expression(node, frozenset(self._names))

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise InvalidExpression(f"more than {DEPTH_LIMIT} levels")
        sides = [self._both()]
        while self._took("name", "or"):
            sides.append(self._both())
        self._depth -= 1
        return sides[0] if len(sides) == 1 else lambda names: any(side(names) for side in sides)

    def _both(self) -> Node:
        sides = [self._negation()]
        while self._took("name", "and"):
            sides.append(self._negation())
        return sides[0] if len(sides) == 1 else lambda names: all(side(names) for side in sides)

    def _negation(self) -> Node:
        turns = 0
        while self._took("name", "not"):
            turns += 1
        node = self._comparison()
        return (lambda names: not node(names)) if turns % 2 else node

    def _comparison(self) -> Node:
        left = self._term()
        kind, sign = self._peek()
        if kind != "sign" or sign not in _COMPARISONS:
            return left
        self._next += 1
        right, compare = self._term(), _COMPARISONS[sign]
        return lambda names: _compared(compare, left(names), right(names))

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
                node = self._either()
                if not self._took("sign", ")"):
                    raise InvalidExpression("a parenthesis is not closed")
                return node
        raise InvalidExpression(f"unexpected {text!r}" if text else "unexpected end")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _took(self, kind: str, text: str) -> bool:
        if self._peek() != (kind, text):
            return False
        self._next += 1
        return True


def _compared(compare: Callable[[Value, Value], bool], left: Value, right: Value) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        return compare is operator.ne
    return compare(left, right)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidExpression(f"unexpected character at {position + 1}: {text[position:].lstrip()[:1]!r}")
        kind = match.lastgroup or "text"
        found.append((kind, match[kind]))
        position = match.end()
    return found
