"""Values with parameters, as of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2231): read tolerantly.

Linear: every pattern is possessive, and no attempt crosses the next semicolon.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from libs.mail.charset import decode

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]++|\\.)*+"?|[^;]*+)', re.DOTALL)
_EXTENDED = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*?)")  # RFC 2231 3 and 4: name*, name*0, name*0*
_MAX_PARAMETERS = 200
_MAX_REMEMBERED = 80  # characters: strangers must not fill the memory


class Parameterised(NamedTuple):
    """`value` in lower case; `parameters` by lower-case name, the first of each; `repeated` the names seen twice."""

    value: str
    parameters: Mapping[str, str]
    repeated: frozenset[str] = frozenset()


def parse_parameters(text: str) -> Parameterised:
    """The parts of `value; name=value; ...`. Never raises."""
    return _parse_and_remember(text) if len(text) <= _MAX_REMEMBERED else _parse(text)


def first_token(text: str) -> str:
    """The value without parameters, in lower case and without the comments that RFC 822 allowed behind a token."""
    words = text.partition(";")[0].partition("(")[0].split(None, 1)
    return words[0].lower() if words else ""


def _parse(text: str) -> Parameterised:
    value, semicolon, _ = text.partition(";")
    if not semicolon:
        return Parameterised(first_token(value), {})
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    repeated: set[str] = set()
    for count, match in enumerate(_PARAMETER.finditer(text)):
        if count == _MAX_PARAMETERS:
            break
        name = match[1].lower()
        kind = extended if "*" in name else plain
        if name in kind:
            repeated.add(name)
        kind.setdefault(name, _unquote(match[2]))
    # RFC 2231 and RFC 6266 4.3: the extended form is the better one where both stand
    parameters = plain | _join_extended(extended) if extended else plain
    return Parameterised(first_token(value), parameters, frozenset(repeated))


_parse_and_remember = lru_cache(maxsize=512)(_parse)  # most mail says one of a few dozen things


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    inner = value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if "\\" in inner else inner


def _join_extended(found: dict[str, str]) -> dict[str, str]:
    """RFC 2231 3: the pieces of a name in the order of their numbers, gaps forgiven."""
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in found.items():
        if match := _EXTENDED.fullmatch(name):
            pieces.setdefault(match[1], {})[int(match[2] or 0)] = (value, bool(match[3]))
    return {name: _decode_pieces([numbered[key] for key in sorted(numbered)]) for name, numbered in pieces.items()}


def _decode_pieces(pieces: list[tuple[str, bool]]) -> str:
    """RFC 2231 4.1: the first piece, if extended, names the charset: `charset'language'text%20`."""
    charset = ""
    value, is_extended = pieces[0]
    if is_extended and value.count("'") >= 2:
        charset, _, value = value.split("'", 2)
        pieces = [(value, True), *pieces[1:]]
    octets = (unquote_to_bytes(text) if extended else text.encode("utf-8", "replace") for text, extended in pieces)
    return decode(b"".join(octets), charset)
