"""Refusals of a change of the directory, as problem documents (RFC 9457 3)."""

from __future__ import annotations

from libs.http import Problem


class NotFound(Problem):
    """The record does not exist."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


class AlreadyExists(Problem):
    """The change conflicts with an existing record."""

    def __init__(self, detail: str, kind: str = "already-exists") -> None:
        super().__init__(409, detail, kind=kind)


class LoginExists(AlreadyExists):
    """Two accounts would have one login name; a generated one is numbered and tried again."""


class PreconditionFailed(Problem):
    """The record was changed in between (RFC 9110 13.1.1)."""

    def __init__(self) -> None:
        super().__init__(412, "it was changed in between: read it again")


class Unprocessable(Problem):
    """The request is well formed and cannot be carried out."""

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)
