"""The ways in which a change of the directory is refused, as problem documents (RFC 9457)."""

from __future__ import annotations

from libs.http import Problem


class NotFound(Problem):
    """There is no such thing."""

    def __init__(self, detail: str) -> None:
        super().__init__(404, detail)


class AlreadyExists(Problem):
    """It would contradict what is there."""

    def __init__(self, detail: str, kind: str = "already-exists") -> None:
        super().__init__(409, detail, kind=kind)


class LoginExists(AlreadyExists):
    """Two accounts would have one login name; a generated one is numbered and tried again."""


class PreconditionFailed(Problem):
    """RFC 9110 13.1.1: somebody else changed it in between."""

    def __init__(self) -> None:
        super().__init__(412, "it was changed in between: read it again")


class Unprocessable(Problem):
    """The request is well formed and cannot be done."""

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)
