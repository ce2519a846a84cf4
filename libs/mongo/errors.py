"""Translates the errors of the driver into `Temporary` and `DuplicateKey`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    WriteConcernError,
)

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
        raise _of_bulk(error, doing) from error
    except PyMongoError as error:
        if _passes_by_itself(error):
            raise Temporary(f"{doing}: {_shown(error)}") from error
        raise


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction in which this was raised will do better from its start, also once it is `Temporary`."""
    cause = error.__cause__ if isinstance(error, Temporary) else error
    return isinstance(cause, PyMongoError) and cause.has_error_label("TransientTransactionError")


def _of_bulk(error: BulkWriteError, doing: str) -> Exception:
    """Return `DuplicateKey` only if there is no other error: a caller that ignores it would lose the other writes."""
    codes = {item.get("code") for item in error.details.get("writeErrors", [])}
    unsure = bool(error.details.get("writeConcernErrors"))
    if codes == {_DUPLICATE} and not unsure:
        return DuplicateKeyError(f"{doing}: duplicate key", _DUPLICATE, error.details)
    if _passes_by_itself(error) or unsure or codes & _MOMENTARY:
        return Temporary(f"{doing}: bulk write, codes {sorted(map(str, codes))}")
    return error


# Server error codes that are about the moment or about us, and not about the request; the names are those of
# src/mongo/base/error_codes.yml.
_MOMENTARY = frozenset({
    6, 7, 89, 202, 9001,  # HostUnreachable, HostNotFound, NetworkTimeout, NetworkInterfaceExceededTimeLimit, socket
    11, 13, 18,  # UserNotFound, Unauthorized, AuthenticationFailed: a password that is being rotated
    24, 50, 262, 290,  # LockTimeout, MaxTimeMSExpired, ExceededTimeLimit, TransactionExceededLifetimeLimitSeconds
    43, 175, 237,  # CursorNotFound, QueryPlanKilled, CursorKilled
    64, 79, 100,  # WriteConcernFailed, UnknownReplWriteConcern, UnsatisfiableWriteConcern
    91, 189, 10107, 11600, 11602, 13435, 13436,  # shutting down, stepped down, not (yet) primary
    112, 225, 239, 246, 251,  # WriteConflict, TransactionTooOld, SnapshotTooOld, SnapshotUnavailable, NoSuchTransaction
    133, 134,  # FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet
    14031,  # OutOfDiskSpace
})  # fmt: skip
_LABELS = ("TransientTransactionError", "RetryableWriteError", "UnknownTransactionCommitResult")


def _passes_by_itself(error: PyMongoError) -> bool:
    if any(error.has_error_label(label) for label in _LABELS) or error.timeout:
        return True
    match error:
        case ConnectionFailure() | ProtocolError() | ExecutionTimeout() | WriteConcernError():
            return True
        case ConfigurationError():
            return not isinstance(error, InvalidURI)  # a member that starts has no sessions yet, and cannot be written
        case OperationFailure():
            return error.code in _MOMENTARY
        case _:
            return False


def _shown(error: PyMongoError) -> str:
    """Return class and text in one line, without documents, which hold mail."""
    return f"{type(error).__name__}: {' '.join(str(error).partition(', full error: ')[0].split())[:300]}"
