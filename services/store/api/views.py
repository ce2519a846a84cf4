"""The models of the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.store.mailboxes.folders import Folder
from services.store.mailboxes.messages import MailboxUsage, StoredMessage


class FolderView(BaseModel):
    """A folder. Names of nested folders have `/` between their levels."""

    id: str = Field(description="Id of the folder; it stays when the folder is renamed.")
    name: str = Field(description="Name, with `/` between the levels.")
    special_use: str | None = Field(description="Attribute of RFC 6154 (`\\Sent` ...), null for INBOX and all others.")
    uidvalidity: int = Field(description="UIDVALIDITY (RFC 9051 2.3.1.1).")
    revision: int = Field(description="Grows when the folder is renamed; part of its ETag.")

    @classmethod
    def of(cls, folder: Folder) -> Self:
        return cls.model_validate(_shown(folder))


class FolderCounts(BaseModel):
    """The counts of a folder, which change with each message. Sizes are in bytes."""

    messages: int = Field(description="Number of messages.")
    unseen: int = Field(description="Messages without the flag \\Seen.")
    size_bytes: int = Field(description="Sum of the sizes of the messages.")
    uidnext: int = Field(description="UID of the next message (RFC 9051 2.3.1.1).")
    highestmodseq: int = Field(description="Highest modification sequence number (RFC 7162 3.1.2).")

    @classmethod
    def of(cls, folder: Folder) -> Self:
        return cls.model_validate(_shown(folder))


class FolderWithCounts(FolderView, FolderCounts):
    """A folder in a list."""


def _shown(folder: Folder) -> dict[str, object]:
    return {
        "id": folder.id,
        "name": folder.name,
        "special_use": folder.special_use,
        "messages": folder.messages,
        "unseen": folder.unseen,
        "size_bytes": folder.bytes,
        "uidvalidity": folder.uidvalidity,
        "uidnext": folder.uid_next,
        "highestmodseq": folder.modseq,
        "revision": folder.revision,
    }


class MessageView(BaseModel):
    """A message in a list. `size` is that of the rendered message in bytes, texts are decoded and cut at 1000."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(description="Id of the message in the mailbox; it stays when the message is moved.")
    uid: int = Field(description="UID in its folder (RFC 9051 2.3.1.1).")
    modseq: int = Field(description="Grows with each change of the message; part of its ETag.")
    folder_id: str = Field(description="Id of its folder.")
    subject: str = Field(description="Decoded text of the Subject field.")
    sender: str = Field(alias="from", description="Decoded text of the From field.")
    to: str = Field(description="Decoded text of the To field.")
    message_id_header: str = Field(description="Message-ID field (RFC 5322 3.6.4).")
    date: datetime | None = Field(description="Of the Date field, UTC; null where it cannot be read.")
    size_bytes: int = Field(description="Size of the message.")
    size: int = Field(description="The same as `size_bytes`.", deprecated=True)
    flags: list[str] = Field(description="Flags and keywords as in IMAP.")
    received_at: datetime = Field(description="Internal date.")

    @classmethod
    def of(cls, message: StoredMessage) -> Self:
        return cls(
            id=message.id,
            uid=message.uid,
            modseq=message.modseq,
            folder_id=message.folder,
            subject=message.summary.subject,
            sender=message.summary.sender,
            to=message.summary.to,
            message_id_header=message.summary.message_id,
            date=message.summary.date,
            size_bytes=message.size,
            size=message.size,
            flags=list(message.flags),
            received_at=message.received_at,
        )


class MailboxTotals(BaseModel):
    """Exact totals of a mailbox; the newest version wins."""

    used_bytes: int = Field(description="Sum of the sizes of all messages.")
    messages: int = Field(description="Number of all messages.")
    version: int = Field(description="Grows with each change of the totals.")

    @classmethod
    def of(cls, usage: MailboxUsage) -> Self:
        return cls(used_bytes=usage.used_bytes, messages=usage.messages, version=usage.version)
