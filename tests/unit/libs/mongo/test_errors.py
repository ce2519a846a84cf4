"""What the driver raises, sorted."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import errors

from libs.envelope import Temporary
from libs.mongo import DuplicateKey, mongo_errors
from libs.mongo.errors import is_conflict

MAIL = {"_id": 1, "subject": "confidential"}


def refused(code: int, *labels: str) -> errors.OperationFailure:
    return errors.OperationFailure("no", code, {"errorLabels": list(labels), "errmsg": "no", "op": MAIL})


def bulk(*codes: int, unsure: bool = False) -> errors.BulkWriteError:
    return errors.BulkWriteError({
        "writeErrors": [{"index": n, "code": code, "errmsg": "no", "op": MAIL} for n, code in enumerate(codes)],
        "writeConcernErrors": [{"code": 64, "errmsg": "waiting for replication timed out"}] if unsure else [],
    })  # fmt: skip


TEMPORARY = {
    "no primary": errors.ServerSelectionTimeoutError("no"),
    "the connection broke": errors.AutoReconnect("no"),
    "no answer": errors.NetworkTimeout("no"),
    "the pool is empty": errors.WaitQueueTimeoutError("no"),
    "not primary": errors.NotPrimaryError("no"),
    "nonsense on the wire": errors.ProtocolError("no"),
    "a member that only starts": errors.ConfigurationError("Sessions are not supported by this MongoDB deployment"),
    "too slow": errors.ExecutionTimeout("no", 50),
    "not replicated in time": errors.WTimeoutError("no", 64),
    "no majority": errors.WriteConcernError("no", 100),
    "the cursor is gone": errors.CursorNotFound("no", 43),
    **{f"code {code}": refused(code) for code in (18, 91, 112, 189, 10107, 11600, 11602, 13436, 14031)},
    "an unknown code that may be retried": refused(99999, "RetryableWriteError"),
    "a conflict": refused(99999, "TransientTransactionError"),
    "a commit that may have been": refused(99999, "UnknownTransactionCommitResult"),
    "a bulk write, not primary": bulk(10107),
    "a bulk write, a duplicate and a full disk": bulk(11000, 14031),
    "a bulk write, a duplicate that may not be durable": bulk(11000, unsure=True),
    "a bulk write that may not be durable": bulk(unsure=True),
}
BUGS = {
    "a wrong operator": refused(9),
    "a document that does not fit": refused(121),
    "a key that is too large": refused(17280),
    "an operation that is none": errors.InvalidOperation("no"),
    "an address that is none": errors.InvalidURI("no"),
    "a name that is none": errors.InvalidName("no"),
    "a bulk write with a wrong operator": bulk(9),
    "a bulk write, a duplicate and a document that does not fit": bulk(11000, 121),
    "no error of the driver": LookupError("no"),
}


@pytest.mark.parametrize("error", TEMPORARY.values(), ids=TEMPORARY.keys())
def test_what_may_pass_by_itself_is_temporary(error: Exception) -> None:
    with pytest.raises(Temporary) as raised, mongo_errors("deliver"):
        raise error
    assert raised.value.reason.startswith("deliver: ")
    assert "confidential" not in raised.value.reason
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", BUGS.values(), ids=BUGS.keys())
def test_a_bug_goes_up_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, mongo_errors("deliver"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("error", [errors.DuplicateKeyError("no", 11000), bulk(11000, 11000)], ids=["one", "in bulk"])
def test_a_duplicate_key_is_an_answer(error: Exception) -> None:
    with pytest.raises(DuplicateKey) as raised, mongo_errors("deliver"):
        raise error
    details: Any = raised.value.details
    assert details is None or len(details["writeErrors"]) == 2


def test_what_the_server_says_is_one_line() -> None:
    with pytest.raises(Temporary) as raised, mongo_errors("deliver"):
        raise errors.AutoReconnect("first\nsecond " + "x" * 1000)
    assert raised.value.reason.startswith("deliver: AutoReconnect: first second xxx")
    assert len(raised.value.reason) < 400


def test_a_conflict_is_known_also_once_it_is_temporary() -> None:
    conflict = refused(112, "TransientTransactionError")
    with pytest.raises(Temporary) as raised, mongo_errors("deliver"):
        raise conflict
    assert is_conflict(conflict)
    assert is_conflict(raised.value)
    assert not is_conflict(refused(112))
    assert not is_conflict(Temporary("quota is away"))
