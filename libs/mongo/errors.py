"""What the driver raises, in the words of the product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import BulkWriteError, DuplicateKeyError, ExecutionTimeout, OperationFailure, PyMongoError

from libs.envelope import Temporary

DuplicateKey = DuplicateKeyError

_DUPLICATE = 11000


@contextmanager
def mongo_errors(doing: str) -> Iterator[None]:
    """Turn what may pass by itself (no primary, time-out, step-down, disk full) into `Temporary`.

    `DuplicateKey` goes through, for it is an answer. So do other refusals by the server: they are bugs, or a message
    that it cannot hold.
    """
    try:
        yield
    except DuplicateKeyError:
        raise
    except BulkWriteError as error:
        if any(item.get("code") == _DUPLICATE for item in error.details.get("writeErrors", [])):
            raise DuplicateKeyError(f"{doing}: duplicate key", _DUPLICATE, error.details) from error
        raise Temporary(f"{doing}: {error.details.get('writeErrors', error)!r:.300}") from error
    except OperationFailure as error:
        if isinstance(error, ExecutionTimeout) or _passes_by_itself(error):
            raise Temporary(f"{doing}: {error!r:.300}") from error
        raise
    except PyMongoError as error:
        raise Temporary(f"{doing}: {error!r:.300}") from error


# Server error codes that are about the moment and not about the request (step-down, shutdown, disk, write conflict).
_MOMENTARY = frozenset(
    {6, 7, 50, 64, 89, 91, 112, 133, 189, 202, 251, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031}
)


def _passes_by_itself(error: OperationFailure) -> bool:
    return (
        error.code in _MOMENTARY
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("UnknownTransactionCommitResult")
    )
