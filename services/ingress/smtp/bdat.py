"""BDAT (RFC 3030): the message in chunks of an announced size, without dot-stuffing."""

from __future__ import annotations

import re

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.acceptance import FAULT_REPLIES
from services.ingress.domain.content import IncomingContent
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.session_state import Transaction, before_content
from services.ingress.domain.timeouts import Progress
from services.ingress.smtp.data import begin_content, finish_message, reserve_memory
from services.ingress.smtp.session import Session

_ARGUMENT = re.compile(r"([0-9]{1,12})([ \t]+LAST)?", re.IGNORECASE)
_SYNTAX = replies.BAD_ARGUMENTS.because("Syntax: BDAT size [LAST]")
_BLOCK_BYTES = 256 * 1024


async def bdat(session: Session, argument: str) -> Reply:
    """RFC 3030 2: receive a chunk. A chunk that is refused is sent nevertheless, so it is read and discarded."""
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        return session.hang_up(_SYNTAX)  # the size of the chunk is unknown, so the next command cannot be found
    size, last = int(match[1]), match[2] is not None
    if size > 2 * session.context.settings.largest_message_bytes:
        return session.hang_up(replies.MESSAGE_TOO_LARGE)
    try:
        content = await _content(session)
    except CommandRefused:
        await _read(session, size, None)
        raise
    await _read(session, size, content)
    if last:
        return await finish_message(session, content)
    if content.fault is not None:
        _fail_transaction(session.state.transaction)
        raise CommandRefused(FAULT_REPLIES[content.fault], content.fault)
    return replies.OK.because(f"{size} octets received")


async def _content(session: Session) -> IncomingContent:
    """Return the message that the chunks add to; the first chunk begins it. Raises `CommandRefused`."""
    if problem := before_content(session.state, chunked=True):
        raise CommandRefused(problem)
    transaction = session.state.transaction
    assert transaction is not None
    if transaction.chunks is None:
        try:
            transaction.chunks, _ = await begin_content(session)
            transaction.progress = Progress(session.context.timeouts, session.connection.loop.time())
        except CommandRefused:
            _fail_transaction(transaction)
            raise
    return transaction.chunks


def _fail_transaction(transaction: Transaction | None) -> None:
    """RFC 3030 2: after a refused chunk, only RSET or EHLO can follow."""
    if transaction is not None:
        transaction.failed = True


async def _read(session: Session, size: int, content: IncomingContent | None) -> None:
    """Read exactly `size` octets; without `content` they are discarded. Raises `Disconnected`, `PeerTimeout`."""
    reader, transaction, left = session.connection.reader, session.state.transaction, size
    # The chunks of a message share one credit, however small they are; a chunk that is refused has its own.
    known = transaction.progress if transaction is not None else None
    progress = known or Progress(session.context.timeouts, session.connection.loop.time())
    await session.connection.flush()
    while left:
        block = reader.read(min(left, _BLOCK_BYTES))
        if not block:
            await session.wait_for_content(progress)
            continue
        left -= len(block)
        progress.received(len(block))
        if content is not None and session.share is not None:
            reserve_memory(content, session.share, len(block))
            content.append(block)
