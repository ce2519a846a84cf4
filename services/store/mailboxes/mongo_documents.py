"""Documents of MongoDB to the words of the domain, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from libs.envelope import new_id
from libs.mail.render import Edit
from services.store.mailboxes.folders import SPECIAL, Folder
from services.store.mailboxes.messages import Copy, Message, Summary, Usage

# What lists need of a message: everything but the rendered headers.
LISTED = {"prefix": 0, "edits": 0, "key": 0}


def as_kept(moment: datetime) -> datetime:
    """As the database keeps it, with milliseconds: what was read must be equal to what is told."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_mailbox(now: datetime) -> dict[str, Any]:
    """An empty mailbox with its special folders, without its `_id`.

    UIDVALIDITY and version start at the clock, so that a mailbox that is made again under an old name is seen as new.
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
    """RFC 7162 3.1.2.1: modification sequence numbers are positive; 1 is that of the empty folder."""
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
    """By id."""
    return {id: Folder(id=id, **document) for id, document in mailbox["folders"].items()}


def usage_of(mailbox: dict[str, Any]) -> Usage:
    return Usage(
        mailbox["_id"], mailbox["used_bytes"], mailbox["messages"], mailbox["version"], mailbox.get("account_made_at")
    )


def message_document(copy: Copy, body: str, *, uid: int, modseq: int, now: datetime) -> dict[str, Any]:
    """A new message."""
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


def message_of(document: dict[str, Any]) -> Message:
    """A message; `prefix` and `edits` are empty where they were not read (`LISTED`)."""
    return Message(
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
