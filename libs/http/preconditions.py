"""Entity tags and preconditions (RFC 9110 8.8.3 and 13.1.1): a change says which version it is based on.

A tag is the number of the version and the birth mark of the thing: a thing that was deleted and made again has numbers
that were there before, and a change that was meant for its predecessor must not succeed.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from libs.http.problems import Problem

_TAG = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*')
MAX_CHARACTERS = 2000


def birth_mark() -> str:
    """Return a random mark, which a resource gets once when it is created."""
    return secrets.token_hex(6)


def entity_tag(version: int, *marks: str) -> str:
    """Return a strong tag. `marks` are birth marks, or other values that distinguish resources of one name."""
    return f'"{"-".join((str(version), *marks))}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """The condition of If-Match: `tags` are the accepted tags, None when any version is accepted."""

    tags: frozenset[str] | None = None
    is_given: bool = False

    def holds(self, tag: str) -> bool:
        """Tell whether the condition holds for the tag of the present version."""
        return self.tags is None or tag in self.tags

    def check(self, tag: str | None) -> None:
        """Raises `Problem` 412; a `tag` of None stands for what does not exist, which nothing matches."""
        if self.is_given and (tag is None or not self.holds(tag)):
            raise Problem(412, "it was changed in between: read it again")


def _precondition(
    if_match: Annotated[
        str | None,
        Header(
            max_length=MAX_CHARACTERS,
            description="ETag of the version that the change is based on; 412 when it is another one now.",
        ),
    ] = None,
) -> Precondition:
    """Return the tags of the field; a weak tag and an invalid one never match."""
    if if_match is None:
        return Precondition()
    if if_match.strip() == "*":
        return Precondition(is_given=True)
    tags = [_TAG.fullmatch(tag) for tag in if_match.split(",")]
    return Precondition(frozenset(tag.group(1) for tag in tags if tag and not tag.group(1).startswith("W/")), True)


IfMatch = Annotated[Precondition, Depends(_precondition)]
