"""Other interpretations of a part: another type, boundary, encoding or file name than `Part` reads.

Readers differ on comments, on missing semicolons and quotes, on two fields or two parameters where one may be, on
unknown encodings. This module lists the interpretations of such fields, at most `MOST` and one of each kind.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote

from libs.mail.encoded_words import decode_words
from libs.mail.parameters import first_token, parse_parameters, reversed_parameters, without_comments
from libs.mail.transfer import ENCODINGS, IDENTITY

MOST = 12  # of one kind for one part: two or three are met

_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80}", re.ASCII)


def types(values: Iterable[str]) -> list[str]:
    """The types that these values of Content-Type may name, in lower case."""
    return _distinct(kind for value in _with_variants(values) for kind in _types_in(value.lower()))


def boundaries(values: Iterable[str]) -> list[str]:
    """The boundaries that these values of Content-Type may name; they and the values are octets as Latin-1."""
    return _distinct(boundary.rstrip(" \t\r") for boundary in values_of("boundary", values))


def encodings(values: Iterable[str]) -> list[str]:
    """The encodings that these values of Content-Transfer-Encoding may name, empty for none.

    An unknown encoding may be any.
    """
    found: list[str] = []
    for value in values:
        lower = value.strip().lower()
        found.append("" if IDENTITY.fullmatch(lower) else first_token(lower))
        if lower not in ENCODINGS and found[-1]:
            found += ["", "base64", "quoted-printable", "uuencode"]
    return _distinct(found or [""])


def file_names(dispositions: Iterable[str], content_types: Iterable[str]) -> list[str]:
    """The names under which a reader may keep the part."""
    found = (*values_of("filename", dispositions), *values_of("name", content_types))
    decoded = (decode_words(name).strip() for name in found)
    return _distinct(name for each in decoded for name in (each, unquote(each)))


def values_of(parameter: str, values: Iterable[str]) -> Iterator[str]:
    """Every value that the parameter may have in these fields."""
    loose = re.compile(
        rf'(?<![\w-]){parameter}(\*\d*\*?)?\s*=\s*+("((?:[^"\\]++|\\.)*+)"?|[^;]*+)', re.IGNORECASE | re.DOTALL
    )
    for value in _with_variants(values):
        if (read := parse_parameters(value).parameters.get(parameter)) is not None:
            yield read
        for match in islice(loose.finditer(value), 2 * MOST):
            bare = match[2].strip()
            if match[3] is not None:
                yield from (re.sub(r"\\(.)", r"\1", match[3], flags=re.DOTALL), match[3], bare.strip('"'))
            elif match[1]:
                yield unquote(bare.rpartition("'")[2])
            else:
                yield from (bare, bare.strip("\"'"), *bare.split(None, 1)[:1], bare.partition("(")[0].strip())


def _with_variants(values: Iterable[str]) -> Iterator[str]:
    """As it stands, without its comments, with its encoded words decoded, with the last of two parameters first."""
    for value in values:
        yield value
        if parse_parameters(value).repeated:
            yield reversed_parameters(value)
        if "(" in value:
            yield without_comments(value)
        if "=?" in value:
            yield decode_words(value)


def _types_in(lower: str) -> Iterator[str]:
    yield from _TYPE.findall(lower.partition(";")[0])
    if "multipart" in lower:
        yield "multipart/mixed"
    if "message/rfc822" in lower:
        yield "message/rfc822"


def _distinct(found: Iterable[str]) -> list[str]:
    """Each once; one more than `MOST` says that there are more."""
    return list(islice(dict.fromkeys(found), MOST + 1))
