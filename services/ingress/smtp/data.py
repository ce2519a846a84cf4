"""DATA: receives the message up to CR LF . CR LF, checks it and publishes it."""

from __future__ import annotations

from libs.envelope import Temporary
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.acceptance import FAULT_REPLIES
from services.ingress.domain.budget import BudgetShare
from services.ingress.domain.content import ContentFault, IncomingContent
from services.ingress.domain.dot_stuffing import DotUnstuffer
from services.ingress.domain.duplicates import message_key
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.session_state import before_content
from services.ingress.domain.timeouts import Progress
from services.ingress.publisher import MailTransaction
from services.ingress.smtp.session import Session

# A message that is too large is read to its end for a reply, up to so many times the limit.
_OVERSIZE_FACTOR = 10


async def data(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.4: receive a message."""
    if argument:
        return replies.BAD_ARGUMENTS
    if problem := before_content(session.state, chunked=False):
        return problem
    content, share = await begin_content(session)
    session.say(replies.SEND_DATA)
    await _receive(session, DotUnstuffer(content), content, share)
    return await finish_message(session, content)


async def begin_content(session: Session) -> tuple[IncomingContent, BudgetShare]:
    """Count the message against the send limits, and reserve memory for it. Raises `CommandRefused`."""
    transaction = session.state.transaction
    assert transaction is not None
    context = session.context
    await context.admission.count_send(session.submitter, [each.recipient for each in transaction.recipients.values()])
    share = context.budget.open(transaction.mail.size_bytes, session.networks)
    if share is None:
        raise CommandRefused(replies.STORAGE_FULL, "load")
    session.share = share
    return IncomingContent(max_bytes=transaction.max_size_bytes, max_line=context.settings.max_line_octets), share


async def _receive(session: Session, stream: DotUnstuffer, content: IncomingContent, share: BudgetShare) -> None:
    """Read the message to its end.

    Raises `Disconnected`, `PeerTimeout`, and `CommandRefused` for a message that does not end.
    """
    reader = session.connection.reader
    progress = Progress(session.context.timeouts, session.connection.loop.time())
    await session.connection.flush()
    while True:
        block = reader.read()
        if not block:
            await session.wait_for_content(progress)
            continue
        progress.received(len(block))
        reserve_memory(content, share, len(block))
        rest = stream.feed(block)
        if rest is not None:
            reader.unread(rest)
            return
        if progress.octets > _OVERSIZE_FACTOR * session.context.settings.largest_message_bytes:
            raise CommandRefused(session.hang_up(replies.MESSAGE_TOO_LARGE), "size")


def reserve_memory(content: IncomingContent, share: BudgetShare, octets: int) -> None:
    """Count incoming octets against the memory of all sessions; without room the message is rejected."""
    if content.fault is not None:
        share.shrink()
    elif not share.grow(octets):
        content.reject(ContentFault.NO_ROOM)


async def finish_message(session: Session, content: IncomingContent) -> Reply:
    """Check and publish a complete message. The transaction ends in every case."""
    transaction, context = session.state.transaction, session.context
    assert transaction is not None
    raw = content.finish()
    try:
        if content.fault is not None:
            raise CommandRefused(FAULT_REPLIES[content.fault], content.fault)
        own = await context.admission.own_addresses(session.submitter)
        context.acceptance.check(raw, session.profile.name, own)
        recipients = tuple(each.recipient for each in transaction.recipients.values())
        key = message_key(session.peer_key, transaction.mail_from, transaction.recipients, content.sha256)
        id = context.duplicates.id_of(key)
        if id is None:
            submission = MailTransaction(
                listener=session.profile.name,
                peer=session.peer(),
                mail_from=transaction.mail_from,
                recipients=recipients,
                smtputf8=transaction.mail.smtputf8,
                ret=transaction.mail.ret,
                envid=transaction.mail.envid,
                body_type=transaction.mail.body_type,
            )
            id = await context.publisher.publish(submission, raw, sha256=content.sha256)
    except Temporary as error:
        raise CommandRefused(replies.TRY_AGAIN, "bus") from error
    finally:
        session.end_transaction()
    session.accepted(key, id, len(raw))
    return Reply(250, "2.6.0", f"Message accepted as {id}")
