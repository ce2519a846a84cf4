"""Messages in pieces: their schema, and how they become an envelope and a message."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from libs.envelope import Peer, new_id
from libs.http import Once, Problem, RequestBody
from libs.http.problems import invalid_body
from libs.http.requests import check_json
from libs.mail.address import InvalidAddress, Path, parse_path
from libs.mail.address_list import parse_addresses
from services.ingress.domain.additional_fields import MAX_FIELDS
from services.ingress.domain.composing import Attachment, Draft, compose
from services.ingress.domain.relaying import canonical_of
from services.ingress.submission import HttpSubmission

MAX_RECIPIENTS = 10_000


def _decoded(value: object) -> bytes:
    """The lenient decoders of the standard library drop what they do not know."""
    if not isinstance(value, str):
        raise ValueError("base64 is needed")
    return b64decode("".join(value.split()), validate=True)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


# A single one may be a string.
Strings = Annotated[list[str], BeforeValidator(_one_or_many)]


class NewAttachment(RequestBody):
    """A file in base64."""

    filename: str = Field(min_length=1, max_length=200, description="Name of the file.")
    content_type: str = Field("application/octet-stream", description="Media type of the file.")
    content: Annotated[bytes, BeforeValidator(_decoded)] = Field(description="base64, line ends allowed.")
    disposition: Literal["attachment", "inline"] = Field(
        "attachment", description="Whether readers offer the file or show it in its place (RFC 2183 2)."
    )
    content_id: str | None = Field(
        None,
        max_length=201,
        description="`left@right`, unique in the message: the HTML shows an inline file as `cid:left@right`.",
    )


_EXAMPLES: list[JsonValue] = [
    {"from": "Jean <jean@example.org>", "to": ["marie@example.org"], "subject": "Hello", "text": "Hello Marie"},
    {
        "from": "Jean <jean@example.org>",
        "to": ["marie@example.org"],
        "cc": ["Paul <paul@example.org>"],
        "bcc": ["archive@example.org"],
        "reply_to": ["sales@example.org"],
        "in_reply_to": "<question@example.org>",
        "references": ["<first@example.org>", "<question@example.org>"],
        "headers": {"List-Unsubscribe": "<https://example.org/unsubscribe>", "X-Campaign": "autumn"},
        "subject": "Our logo",
        "text": "Our logo",
        "html": '<p>Our logo: <img src="cid:logo@example.org"></p>',
        "attachments": [
            {
                "filename": "logo.png",
                "content_type": "image/png",
                "content": "iVBORw0KGgo=",
                "disposition": "inline",
                "content_id": "logo@example.org",
            }
        ],
    },
]


class NewMessage(RequestBody):
    """A message in pieces. Addresses are `local@domain` or `Name <local@domain>`."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})

    sender: str = Field(
        alias="from",
        max_length=1000,
        description="Author and envelope sender: `local@domain` or `Name <local@domain>`.",
    )
    to: Strings = Field(
        min_length=1, max_length=MAX_RECIPIENTS, description="Recipients; a single one may be a string."
    )
    cc: Strings = Field([], max_length=MAX_RECIPIENTS, description="Recipients of copies, in the Cc field.")
    bcc: Strings = Field([], max_length=MAX_RECIPIENTS, description="Recipients of blind copies, in no field.")
    reply_to: Strings = Field([], max_length=10, description="Addresses that replies go to; none: the author.")
    in_reply_to: str | None = Field(
        None, max_length=250, description="Message-ID of the message that this one answers (RFC 5322 3.6.4)."
    )
    references: list[str] = Field(
        [], max_length=100, description="Message-IDs of the thread, the oldest first; none: `in_reply_to` alone."
    )
    headers: dict[str, str] = Field(
        {},
        max_length=MAX_FIELDS,
        description="Additional header fields by name: `X-*` (but those that the cluster writes), Auto-Submitted, "
        "Comments, Feedback-ID, Importance, Keywords, List-*, Organization, Precedence, Priority, Sensitivity.",
    )
    subject: str = Field("", max_length=10_000, description="Text of the Subject field.")
    text: str | None = Field(None, description="Plain text of the message.")
    html: str | None = Field(None, description="HTML of the message; with `text`, both are alternatives.")
    attachments: list[NewAttachment] = Field([], max_length=100, description="Files of the message.")
    account: str | None = Field(None, description="The account that this is sent for; its limits and addresses count.")


def composed(body: bytes, once: Once | None, peer: Peer, *, now: datetime, hostname: str) -> HttpSubmission:
    """Parse and render, which takes a while for large attachments: call it off the loop. Raises `Problem` 422."""
    try:
        check_json(body)
        given = NewMessage.model_validate_json(body, strict=True)
        draft = _draft(given)
        blind = _mailboxes("bcc", given.bcc)
        raw = compose(draft, id=new_id(now), now=now, hostname=hostname)
    except ValidationError as error:
        raise invalid_body(error.errors(), "the message is not valid") from None
    except ValueError as error:
        raise Problem(422, str(error)) from None
    paths = [path_of("to", address) for _, address in (*draft.recipients, *draft.cc, *blind)]
    sender = path_of("from", draft.author[1])
    return HttpSubmission(sender, paths, raw, peer, account=account_of(given.account), once=once)


def _draft(given: NewMessage) -> Draft:
    return Draft(
        author=_mailbox("from", given.sender),
        recipients=_mailboxes("to", given.to),
        cc=_mailboxes("cc", given.cc),
        reply_to=_mailboxes("reply_to", given.reply_to),
        in_reply_to=given.in_reply_to,
        references=given.references,
        headers=given.headers,
        subject=given.subject,
        text=given.text,
        html=given.html,
        attachments=[
            Attachment(
                each.filename,
                each.content_type,
                each.content,
                is_inline=each.disposition == "inline",
                content_id=each.content_id,
            )
            for each in given.attachments
        ],
    )


def _mailboxes(field: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [_mailbox(field, text) for text in texts]


def _mailbox(field: str, text: str) -> tuple[str, str]:
    if not text.isprintable():
        raise Problem(422, f"{field}: control characters are not allowed")
    found = parse_addresses(text, 2)
    if len(found) != 1:
        raise Problem(422, f"{field}: one address is needed")
    name, address = found[0]
    return name, path_of(field, address).address  # a header takes the domain in A-labels only (RFC 6532 3.1)


def path_of(field: str, address: str) -> Path:
    """Parse the address of a member or parameter `field`. Raises `Problem` 422."""
    try:
        return parse_path(f"<{address}>", smtputf8=True)
    except InvalidAddress as error:
        raise Problem(422, f"{field}: {error}") from None


def account_of(address: str | None) -> str | None:
    """The key of the mailbox of an account. Raises `Problem` 422."""
    return None if address is None else canonical_of(path_of("account", address))
