"""Values with parameters, as of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2231): read tolerantly.

Linear: every pattern is possessive, and no attempt crosses the next semicolon.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from libs.mail.charset import decode

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]++|\\.)*+"?|[^;]*+)', re.DOTALL)
# What everyone reads alike: a token, and plain parameters with semicolons between them.
_CLEAR = re.compile(
    r'[^\s/()<>@,;:\\"\[\]?=]+(?:/[^\s/()<>@,;:\\"\[\]?=]+)?'
    r"""(?:\s*+;\s*+[\w-]++\s*+=\s*+(?:"[^"\\]*+"|[^\s;()"\\']++))*+\s*+;?\s*+""",
    re.ASCII,
)
_COMMENT_TOKEN = re.compile(r'\\.|[()"]|[^\\()"]++|\\', re.DOTALL)
_STRUCTURAL = frozenset({"boundary", "charset", "type", "format", "delsp"})  # where a comment is no part of the value
_EXTENDED = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*?)")  # RFC 2231 3 and 4: name*, name*0, name*0*
_MAX_PARAMETERS = 200
_MAX_REMEMBERED = 80  # characters: strangers must not fill the memory


class Parameterised(NamedTuple):
    """`value` in lower case; `parameters` by lower-case name, the first of each; `repeated` the names seen twice.

    `is_clear` where no reader can read it otherwise.
    """

    value: str
    parameters: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    is_clear: bool = False


def parse_parameters(text: str) -> Parameterised:
    """The parts of `value; name=value; ...`. Never raises."""
    return _parse_and_remember(text) if len(text) <= _MAX_REMEMBERED else _parse(text)


def first_token(text: str) -> str:
    """The value without parameters, in lower case and without comments (RFC 2045 5.1, RFC 5322 3.2.2)."""
    words = without_comments(text).partition(";")[0].split(None, 1)
    return words[0].lower() if words else ""


def without_comments(text: str) -> str:
    """The text with a space for each comment (RFC 5322 3.2.2); what stands in quotes is none."""
    if "(" not in text:
        return text
    out: list[str] = []
    depth, quoted = 0, False
    for match in _COMMENT_TOKEN.finditer(text):
        token = match[0]
        if token == '"' and not depth:
            quoted = not quoted
        if token == "(" and not quoted:
            depth += 1
        elif token == ")" and depth:
            depth -= 1
            out += () if depth else (" ",)
        elif not depth:
            out.append(token)
    return "".join(out)


def reversed_parameters(text: str) -> str:
    """The same with its parameters in the other order: for readers to whom the last of two counts."""
    matches = list(islice(_PARAMETER.finditer(text), _MAX_PARAMETERS))
    return text.partition(";")[0] + "".join(match[0] for match in reversed(matches))


def _parse(text: str) -> Parameterised:
    if "(" not in text:
        return _parse_plain(text)
    read = _parse_plain(without_comments(text))
    # In file names brackets are met more often than comments: `name=report (1).pdf`.
    others = {name: value for name, value in _parse_plain(text).parameters.items() if name not in _STRUCTURAL}
    return read._replace(parameters={**read.parameters, **others}, is_clear=False)


def _parse_plain(text: str) -> Parameterised:
    value, semicolon, _ = text.partition(";")
    if not semicolon:
        return Parameterised(first_token(value), {}, is_clear=not text or _CLEAR.fullmatch(text) is not None)
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
    is_clear = not repeated and _CLEAR.fullmatch(text) is not None
    return Parameterised(first_token(value), parameters, frozenset(repeated), is_clear)


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
