"""The rules of a delivery transaction: which copies are written, with which UIDs, and the outcome of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.store.mailboxes.flags import SEEN
from services.store.mailboxes.messages import Body, Copy, DeliveryOutcome, MailboxDelivery, Unavailable
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import message_document, usage_of

MAX_CLOCK_SKEW = timedelta(hours=1)

STATE = {"account_made_at": 1, "not_before": 1, "leaving": 1}
NONE_UNAVAILABLE: Mapping[str, Unavailable] = {}

CopyKey = tuple[str, str]  # (key of the message, mailbox)
CopiesByMailbox = Mapping[str, Sequence[tuple[Copy, Body]]]


class DeliveryPlan:
    """Selects the copies that are not `stored` yet, each key once in a mailbox.

    Mailboxes in `unavailable` get nothing, because their account is gone or unknown.
    """

    def __init__(
        self,
        group: Sequence[MailboxDelivery],
        stored: frozenset[CopyKey] | set[CopyKey] = frozenset(),
        unavailable: Mapping[str, Unavailable] = NONE_UNAVAILABLE,
    ) -> None:
        self.stored = stored
        self.unavailable = unavailable
        self.copies: list[Copy] = []
        self.by_mailbox: dict[str, list[tuple[Copy, Body]]] = {}
        self._group = group
        seen = set(stored)
        for delivery in group:
            for copy in delivery.copies:
                if copy.mailbox in unavailable:
                    continue
                if copy.key is not None:
                    if (copy.key, copy.mailbox) in seen:
                        continue
                    seen.add((copy.key, copy.mailbox))
                self.copies.append(copy)
                self.by_mailbox.setdefault(copy.mailbox, []).append((copy, delivery.body))
        # In one order everywhere: two replicas that write to the same mailboxes conflict at the first one.
        self.by_mailbox = dict(sorted(self.by_mailbox.items()))
        wanted = {copy.mailbox for delivery in group for copy in delivery.copies}
        self.mailboxes = sorted(wanted - unavailable.keys())
        folders = {copy.folder for copy in self.copies}
        numbers = {f"folders.{id}.{name}": 1 for id in folders for name in ("last_uid", "modseq", "uidvalidity")}
        self.projection = {"used_bytes": 1, "messages": 1, "version": 1, "expunged_at": 1, **STATE, **numbers}

    def bodies(self) -> Iterable[Body]:
        return (delivery.body for delivery in self._group)


@dataclass(slots=True)
class DeliveryResult:
    """The state of the mailboxes inside the transaction, and the outcome of each copy."""

    documents: dict[str, dict[str, Any]]
    expunged: set[CopyKey]
    unavailable: Mapping[str, Unavailable] = field(default_factory=dict)
    dropped: dict[str, list[tuple[Copy, Body]]] = field(default_factory=dict)
    over_quota: set[int] = field(default_factory=set)  # identities of copies
    gone: set[int] = field(default_factory=set)

    def place(self, mailbox: str, copies: Sequence[tuple[Copy, Body]], now: datetime) -> list[dict[str, Any]]:
        """Return message documents with their UIDs. `documents` counts all copies; dropped ones are subtracted."""
        document = self.documents[mailbox]
        per_folder = Counter(copy.folder for copy, _ in copies)
        last = {id: document["folders"][id] for id in per_folder}
        if not all("uidvalidity" in folder for folder in last.values()):
            # The increment has created an incomplete folder; the abort of the transaction removes it.
            raise NotFound("the folder was deleted")
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
        if not self.unavailable:
            return DeliveryOutcome(
                tuple(usage_of(self.documents[copy.mailbox]) for copy in delivery.copies), full, gone
            )
        states = {copy.mailbox: self.unavailable.get(copy.mailbox) for copy in delivery.copies}
        available = (mailbox for mailbox, state in states.items() if state is None)
        return DeliveryOutcome(
            tuple(usage_of(self.documents[mailbox]) for mailbox in available),
            full,
            gone | {mailbox for mailbox, state in states.items() if state == "gone"},
            frozenset(mailbox for mailbox, state in states.items() if state == "unknown"),
        )


def counter_update(copies: Sequence[tuple[Copy, Body]], now: datetime, *, sign: int = 1) -> dict[str, Any]:
    """Return the update of a mailbox that counts `copies` in, or out again (`sign` -1)."""
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
    """Return whether the mail was accepted for a former account of the address, before the present one was created."""
    not_before: datetime | None = mailbox.get("not_before")
    return not_before is not None and copy.accepted_at is not None and copy.accepted_at < not_before


def may_be_expunged(copy: Copy, mailbox: Mapping[str, Any]) -> bool:
    """Return whether the message may have been stored and expunged before, allowing for clock skew."""
    expunged_at: datetime | None = mailbox.get("expunged_at")
    return expunged_at is not None and copy.received_at < expunged_at + MAX_CLOCK_SKEW
