"""The collections of the store, their documents and indexes.

mailboxes   {_id: address, domain, uidvalidity, version, used_bytes, messages, made_at, changed_at, expunged_at?,
            account_made_at?: when its account was created; not_before?: mail accepted before that was for a former
            account of the address; leaving?: its account was deleted, the mailbox is being emptied,
            folders: {id: {name, special_use, uidvalidity, last_uid, modseq, messages, unseen, bytes, revision}}}
messages    {_id, mailbox, folder, uid, modseq, key?, body, prefix, edits?, size, subject, from, to, message_id, date,
            flags, received_at, saved_at?: when it was moved into its folder (RFC 8514)}
bodies      {_id: sha256, size, touched_at, touches, raw | chunks: how many}
chunks      {_id: {body, n}, content}: of a body too large for one document
loose       {_id, bodies: [sha256], since}: bodies that may be unreferenced, for the collector
tombstones  {_id, mailbox, folder, modseq, uids, keys, expires_at}: one for each expunge
departed    {_id: address, deleted_at, uidvalidity?, expires_at}: deleted accounts
told        {_id: address, version}: the usage that was published
receipts    {_id: "message:batch", state: due | sent | already_sent | refused | expired | failed, noted_at, expires_at,
            due_at?, tries, envelope?, header?, recipients?}: notifications of deliveries
heard       {_id: "message:recipient", receipt, expires_at}: which receipt reports a recipient
quarantine  {_id, envelope, body, reason, infected, sender, domains, recipients, subject, from, to, message_id, date,
            at, expires_at, notice: {state: none | due | decided | sent | refused | failed, reason?, due_at?, tries?,
            recipients?, whitelists?, language?}}; recipients are addresses and accounts, for searches
digests     {_id: domain, until, lease_until}: the end of the last period that its digests cover;
            {_id: "account domain until", expires_at}: the digests that were sent
rates       {_id, count, expires_at}: counters of time windows
burnt       {_id: nonce, expires_at}: challenges that were answered

Every change to a mailbox writes its document in the same transaction, so that changes to one mailbox happen one after
the other, UIDs and modification sequence numbers become visible in their order, and the counters are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.envelope import new_id
from libs.mail.render import Edit
from libs.mongo import mongo_errors
from services.store.mailboxes.folders import JUNK, SPECIAL, Folder
from services.store.mailboxes.messages import Copy, MailboxUsage, StoredMessage, Summary

# Newest first, with the texts in the keys: a search of a large mailbox reads the index, not the documents.
SEARCH_INDEX = [("mailbox", 1), ("_id", -1), ("folder", 1), ("subject", 1), ("from", 1)]


# Lists need every field of a message except the rendered headers.
LIST_PROJECTION = {"prefix": 0, "edits": 0, "key": 0}
_DOMAIN_OF_ID = {"$arrayElemAt": [{"$split": ["$_id", "@"]}, -1]}


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections, by name."""

    mailboxes: Any
    messages: Any
    bodies: Any
    chunks: Any
    loose: Any
    tombstones: Any
    told: Any
    receipts: Any
    heard: Any
    departed: Any
    quarantine: Any
    digests: Any
    rates: Any
    burnt: Any

    @classmethod
    def of(cls, database: Any) -> Collections:
        return cls(**{name: database[name] for name in cls.__slots__})

    async def prepare(self) -> None:
        """Create missing collections and indexes, since transactions need them. Idempotent. Raises `Temporary`."""
        with mongo_errors("create indexes"):
            for collection, keys, options in self._indexes():
                await collection.create_index(keys, **options)
            # Mailboxes written before the field existed; none after the first start.
            await self.mailboxes.update_many({"domain": {"$exists": False}}, [{"$set": {"domain": _DOMAIN_OF_ID}}])

    def _indexes(self) -> list[tuple[Any, list[tuple[str, int]], dict[str, Any]]]:
        """Return (collection, keys, options). Asking for the index on `_id`, which always exists, creates the
        collection.
        """
        has_key = {"partialFilterExpression": {"key": {"$exists": True}}}
        return [
            (self.messages, [("mailbox", 1), ("folder", 1), ("uid", 1)], {"unique": True}),
            (self.messages, [("key", 1), ("mailbox", 1)], {"unique": True, **has_key}),
            (self.messages, [("mailbox", 1), ("folder", 1), ("modseq", 1)], {}),
            (self.messages, [("body", 1)], {}),
            (self.messages, SEARCH_INDEX, {}),
            (self.messages, [("mailbox", 1), ("_id", 1)], {"partialFilterExpression": {"folder": JUNK}}),
            (self.mailboxes, [("domain", 1)], {}),
            (self.bodies, [("_id", 1)], {}),
            (self.chunks, [("_id.body", 1)], {}),
            (self.loose, [("since", 1)], {}),
            (self.tombstones, [("mailbox", 1), ("folder", 1), ("modseq", 1)], {}),
            (self.tombstones, [("keys", 1)], {"sparse": True}),
            (self.tombstones, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.told, [("_id", 1)], {}),
            (self.receipts, [("due_at", 1)], {"sparse": True}),
            (self.receipts, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.heard, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.departed, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.mailboxes, [("leaving", 1)], {"sparse": True}),
            (self.quarantine, [("expires_at", 1)], {}),
            (self.quarantine, [("domains", 1), ("_id", -1)], {}),
            (self.quarantine, [("recipients", 1), ("_id", -1)], {}),
            (self.quarantine, [("body", 1)], {}),
            (self.quarantine, [("notice.due_at", 1)], {"sparse": True}),
            (self.digests, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.rates, [("expires_at", 1)], {"expireAfterSeconds": 0}),
            (self.burnt, [("expires_at", 1)], {"expireAfterSeconds": 0}),
        ]


def to_milliseconds(moment: datetime) -> datetime:
    """Truncate to milliseconds as the database does, so that stored and given times compare equal."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_mailbox(now: datetime) -> dict[str, Any]:
    """Return an empty mailbox with its special folders, without its `_id`.

    UIDVALIDITY and version start at the clock, so that a mailbox created again under an old name is seen as new.
    """
    uidvalidity = int(now.timestamp())
    return {
        "uidvalidity": uidvalidity,
        "version": int(now.timestamp() * 1000),
        "used_bytes": 0,
        "messages": 0,
        "changed_at": now,
        "made_at": now,
        "folders": {id: new_folder(name, uidvalidity, special_use=use) for id, (name, use) in SPECIAL.items()},
    }


def new_folder(name: str, uidvalidity: int, *, special_use: str | None = None) -> dict[str, Any]:
    """RFC 7162 3.1.2.1: modification sequence numbers are positive; an empty folder has 1."""
    return {
        "name": name,
        "special_use": special_use,
        "uidvalidity": uidvalidity,
        "last_uid": 0,
        "modseq": 1,
        "messages": 0,
        "unseen": 0,
        "bytes": 0,
        "revision": 1,
    }


def folders_of(mailbox: dict[str, Any]) -> dict[str, Folder]:
    """Return the folders by id."""
    return {id: Folder(id=id, **document) for id, document in mailbox["folders"].items()}


def usage_of(mailbox: dict[str, Any]) -> MailboxUsage:
    return MailboxUsage(
        mailbox["_id"], mailbox["used_bytes"], mailbox["messages"], mailbox["version"], mailbox.get("account_made_at")
    )


def message_document(copy: Copy, body: str, *, uid: int, modseq: int, now: datetime) -> dict[str, Any]:
    """Return the document of a new message."""
    document = {
        "_id": new_id(now),
        "mailbox": copy.mailbox,
        "folder": copy.folder,
        "uid": uid,
        "modseq": modseq,
        "body": body,
        "prefix": copy.prefix,
        "size": copy.size,
        "subject": copy.summary.subject,
        "from": copy.summary.sender,
        "to": copy.summary.to,
        "message_id": copy.summary.message_id,
        "date": copy.summary.date,
        "flags": copy.flags,
        "received_at": copy.received_at,
    }
    if copy.key is not None:
        document["key"] = copy.key
    if copy.edits:
        document["edits"] = [[edit.start, edit.end, edit.text] for edit in copy.edits]
    return document


def message_of(document: dict[str, Any]) -> StoredMessage:
    """Return a message; `prefix` and `edits` are empty where they were not read (`LIST_PROJECTION`)."""
    return StoredMessage(
        id=document["_id"],
        mailbox=document["mailbox"],
        folder=document["folder"],
        uid=document["uid"],
        modseq=document["modseq"],
        summary=Summary(
            subject=document["subject"],
            sender=document["from"],
            to=document["to"],
            message_id=document["message_id"],
            date=document["date"],
        ),
        size=document["size"],
        flags=tuple(document["flags"]),
        received_at=document["received_at"],
        body=document["body"],
        prefix=document.get("prefix", b""),
        edits=tuple(Edit(start, end, text) for start, end, text in document.get("edits", ())),
    )
