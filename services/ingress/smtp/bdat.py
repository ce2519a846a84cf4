"""BDAT (RFC 3030): the message in chunks of a size that is told beforehand, without dots."""

from __future__ import annotations

import re

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.acceptance import FAULT_REPLIES
from services.ingress.domain.content import Content
from services.ingress.domain.refusal import Refused
from services.ingress.domain.sequence import Transaction, before_content
from services.ingress.domain.timeouts import Progress
from services.ingress.smtp.data import accept, hold, open_content
from services.ingress.smtp.session import Session

_ARGUMENT = re.compile(r"([0-9]{1,12})([ \t]+LAST)?", re.IGNORECASE)
_SYNTAX = replies.BAD_ARGUMENTS.because("Syntax: BDAT size [LAST]")
_LUMP = 256 * 1024


async def bdat(session: Session, argument: str) -> Reply:
    """RFC 3030 2. A chunk that is refused has been sent all the same, so it is always read, and forgotten."""
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        return session.hang_up(_SYNTAX)  # how much of what follows is no command, nobody knows
    size, last = int(match[1]), match[2] is not None
    if size > 2 * session.context.settings.largest_message_bytes:
        return session.hang_up(replies.MESSAGE_TOO_LARGE)
    try:
        content = await _content(session)
    except Refused:
        await _read(session, size, None)
        raise
    await _read(session, size, content)
    if last:
        return await accept(session, content)
    if content.fault is not None:
        _spoil(session.state.transaction)
        raise Refused(FAULT_REPLIES[content.fault], content.fault)
    return replies.OK.because(f"{size} octets received")


async def _content(session: Session) -> Content:
    """What the chunks grow, begun with the first. Raises `Refused`."""
    if problem := before_content(session.state, chunked=True):
        raise Refused(problem)
    transaction = session.state.transaction
    assert transaction is not None
    if transaction.chunks is None:
        try:
            transaction.chunks, _ = await open_content(session)
            transaction.progress = Progress(session.context.timeouts, session.connection.loop.time())
        except Refused:
            _spoil(transaction)
            raise
    return transaction.chunks


def _spoil(transaction: Transaction | None) -> None:
    """RFC 3030 2: after a refused chunk only RSET (or a new greeting) helps."""
    if transaction is not None:
        transaction.failed = True


async def _read(session: Session, size: int, content: Content | None) -> None:
    """Exactly `size` octets. Raises `Disconnected`, `PeerTimeout`."""
    reader, transaction, left = session.connection.reader, session.state.transaction, size
    # A chunk that is refused has a pace of its own; those of one message have one together, however small they are.
    known = transaction.progress if transaction is not None else None
    progress = known or Progress(session.context.timeouts, session.connection.loop.time())
    await session.connection.flush()
    while left:
        lump = reader.read(min(left, _LUMP))
        if not lump:
            await session.wait_for_content(progress)
            continue
        left -= len(lump)
        progress.came(len(lump))
        if content is not None and session.share is not None:
            hold(content, session.share, len(lump))
            content.add(lump)
