"""What one transaction of deliveries writes: which copies, under which numbers, and what becomes of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.store.mailboxes.flags import SEEN
from services.store.mailboxes.messages import Body, Copy, DeliveryOutcome, MailboxDelivery
from services.store.mailboxes.missing_mailboxes import Unavailable
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import message_document, usage_of

MAX_COPIES = 500  # in one transaction
MAX_BYTES = 8 * 1024 * 1024  # of bodies in one transaction
CLOCKS_DIFFER = timedelta(hours=1)

STATE = {"account_made_at": 1, "not_before": 1, "leaving": 1}
ALL_AVAILABLE: Mapping[str, Unavailable] = {}

CopyKey = tuple[str, str]  # (key of the message, mailbox)
CopiesByMailbox = Mapping[str, Sequence[tuple[Copy, Body]]]  # by mailbox


class DeliveryPlan:
    """What one transaction writes: the copies that are not `known` to be there, each key once in a mailbox.

    Nothing is written into mailboxes that are `closed`, because their account is gone or nobody can tell.
    """

    def __init__(
        self,
        group: Sequence[MailboxDelivery],
        known: frozenset[CopyKey] | set[CopyKey] = frozenset(),
        closed: Mapping[str, Unavailable] = ALL_AVAILABLE,
    ) -> None:
        self.known = known
        self.closed = closed
        self.copies: list[Copy] = []
        self.by_mailbox: dict[str, list[tuple[Copy, Body]]] = {}
        self._group = group
        seen = set(known)
        for delivery in group:
            for copy in delivery.copies:
                if copy.mailbox in closed:
                    continue
                if copy.key is not None:
                    if (copy.key, copy.mailbox) in seen:
                        continue
                    seen.add((copy.key, copy.mailbox))
                self.copies.append(copy)
                self.by_mailbox.setdefault(copy.mailbox, []).append((copy, delivery.body))
        # In one order everywhere: two replicas that want the same mailboxes clash at the first one.
        self.by_mailbox = dict(sorted(self.by_mailbox.items()))
        wanted = {copy.mailbox for delivery in group for copy in delivery.copies}
        self.mailboxes = sorted(wanted - closed.keys())
        folders = {copy.folder for copy in self.copies}
        numbers = {f"folders.{id}.{name}": 1 for id in folders for name in ("last_uid", "modseq", "uidvalidity")}
        self.projection = {"used_bytes": 1, "messages": 1, "version": 1, "expunged_at": 1, **STATE, **numbers}

    def bodies(self) -> Iterable[Body]:
        return (delivery.body for delivery in self._group)


@dataclass(slots=True)
class TransactionState:
    """The state of the mailboxes inside the transaction, and what becomes of each copy."""

    documents: dict[str, dict[str, Any]]
    expunged: set[CopyKey]
    closed: Mapping[str, Unavailable] = field(default_factory=dict)
    dropped: dict[str, list[tuple[Copy, Body]]] = field(default_factory=dict)
    over_quota: set[int] = field(default_factory=set)  # identities of copies
    gone: set[int] = field(default_factory=set)

    def place(self, mailbox: str, copies: Sequence[tuple[Copy, Body]], now: datetime) -> list[dict[str, Any]]:
        """Message documents with their numbers. The counters of `documents` hold all copies; dropped ones go off."""
        document = self.documents[mailbox]
        per_folder = Counter(copy.folder for copy, _ in copies)
        last = {id: document["folders"][id] for id in per_folder}
        if not all("uidvalidity" in folder for folder in last.values()):
            raise NotFound("the folder was deleted")  # an increment made a shell of it, which the abort takes back
        uid = {id: last[id]["last_uid"] - count for id, count in per_folder.items()}
        modseq = {id: last[id]["modseq"] - count for id, count in per_folder.items()}
        used = document["used_bytes"] - sum(copy.size for copy, _ in copies)
        rows = []
        for copy, body in copies:
            expunged = copy.key is not None and (copy.key, mailbox) in self.expunged
            former = is_for_former_account(copy, document)
            full = copy.limit is not None and used + copy.size > copy.limit
            if expunged or former or full:
                self._drop(copy, body)
                if former:
                    self.gone.add(id(copy))
                elif full and not expunged:
                    self.over_quota.add(id(copy))
                continue
            used += copy.size
            uid[copy.folder] += 1
            modseq[copy.folder] += 1
            rows.append(message_document(copy, body.id, uid=uid[copy.folder], modseq=modseq[copy.folder], now=now))
        return rows

    def _drop(self, copy: Copy, body: Body) -> None:
        self.dropped.setdefault(copy.mailbox, []).append((copy, body))
        document = self.documents[copy.mailbox]
        document["used_bytes"] -= copy.size
        document["messages"] -= 1

    def outcomes(self, group: Sequence[MailboxDelivery]) -> list[DeliveryOutcome]:
        return [self._outcome(delivery) for delivery in group]

    def _outcome(self, delivery: MailboxDelivery) -> DeliveryOutcome:
        full = frozenset(copy.mailbox for copy in delivery.copies if id(copy) in self.over_quota)
        gone = frozenset(copy.mailbox for copy in delivery.copies if id(copy) in self.gone)
        if not self.closed:
            return DeliveryOutcome(
                tuple(usage_of(self.documents[copy.mailbox]) for copy in delivery.copies), full, gone
            )
        closed = {copy.mailbox: self.closed.get(copy.mailbox) for copy in delivery.copies}
        there = (mailbox for mailbox, state in closed.items() if state is None)
        return DeliveryOutcome(
            tuple(usage_of(self.documents[mailbox]) for mailbox in there),
            full,
            gone | {mailbox for mailbox, state in closed.items() if state == "gone"},
            frozenset(mailbox for mailbox, state in closed.items() if state == "unknown"),
        )


def added(copies: Sequence[tuple[Copy, Body]], now: datetime, *, sign: int = 1) -> dict[str, Any]:
    """The change of a mailbox's counters that counts `copies` in, or out again."""
    change: Counter[str] = Counter()
    for copy, _ in copies:
        folder = f"folders.{copy.folder}"
        change["used_bytes"] += copy.size * sign
        change["messages"] += sign
        change[f"{folder}.bytes"] += copy.size * sign
        change[f"{folder}.messages"] += sign
        change[f"{folder}.unseen"] += sign * (SEEN not in copy.flags)
        change[f"{folder}.last_uid"] += sign
        change[f"{folder}.modseq"] += sign
    change["version"] += sign == 1
    return {"$inc": dict(change), "$set": {"changed_at": now}}


def is_for_former_account(copy: Copy, mailbox: Mapping[str, Any]) -> bool:
    """Whether the cluster took it before the account was made that has the address now, and had another one before."""
    not_before: datetime | None = mailbox.get("not_before")
    return not_before is not None and copy.accepted_at is not None and copy.accepted_at < not_before


def may_be_expunged(copy: Copy, mailbox: Mapping[str, Any]) -> bool:
    """Whether it may have been here before: something was expunged after it came, or clocks differ by so much."""
    expunged_at: datetime | None = mailbox.get("expunged_at")
    return expunged_at is not None and copy.received_at < expunged_at + CLOCKS_DIFFER


def groups(batch: Sequence[MailboxDelivery]) -> Iterable[Sequence[MailboxDelivery]]:
    """The batch in order, in pieces that a transaction can hold."""
    group: list[MailboxDelivery] = []
    copies = size = 0
    for delivery in batch:
        if group and (copies + len(delivery.copies) > MAX_COPIES or size + len(delivery.body.raw) > MAX_BYTES):
            yield group
            group, copies, size = [], 0, 0
        group.append(delivery)
        copies += len(delivery.copies)
        size += len(delivery.body.raw)
    if group:
        yield group
