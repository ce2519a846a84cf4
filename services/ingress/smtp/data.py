"""DATA: the message up to CR LF . CR LF, and what becomes of it."""

from __future__ import annotations

from libs.envelope import Temporary
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.acceptance import FAULT_REPLIES
from services.ingress.domain.budget import Share
from services.ingress.domain.content import Content, Fault
from services.ingress.domain.dots import DotStream
from services.ingress.domain.duplicates import message_key
from services.ingress.domain.refusal import Refused
from services.ingress.domain.sequence import before_content
from services.ingress.domain.timeouts import Progress
from services.ingress.reception import Submission
from services.ingress.smtp.session import Session

# Of a message that is too large, so much is heard out before the connection is closed instead.
_HEARD_OUT = 10


async def data(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.4."""
    if argument:
        return replies.BAD_ARGUMENTS
    if problem := before_content(session.state, chunked=False):
        return problem
    content, share = await open_content(session)
    session.say(replies.SEND_DATA)
    await _receive(session, DotStream(content), content, share)
    return await accept(session, content)


async def open_content(session: Session) -> tuple[Content, Share]:
    """Room for the message of this transaction, once it may be sent at all. Raises `Refused`."""
    transaction = session.state.transaction
    assert transaction is not None
    context = session.context
    await context.admission.sending(session.submitter, [each.recipient for each in transaction.recipients.values()])
    share = context.budget.open(transaction.mail.size_bytes, session.networks)
    if share is None:
        raise Refused(replies.STORAGE_FULL, "load")
    session.share = share
    return Content(max_bytes=transaction.max_size_bytes, max_line=context.settings.max_line_octets), share


async def _receive(session: Session, stream: DotStream, content: Content, share: Share) -> None:
    """Read the message to its end. Raises `Disconnected`, `PeerTimeout`, and `Refused` when it is far too large."""
    reader = session.connection.reader
    progress = Progress(session.context.timeouts, session.connection.loop.time())
    await session.connection.flush()
    while True:
        lump = reader.read()
        if not lump:
            await session.wait_for_content(progress)
            continue
        progress.came(len(lump))
        hold(content, share, len(lump))
        rest = stream.feed(lump)
        if rest is not None:
            reader.unread(rest)
            return
        if progress.octets > _HEARD_OUT * session.context.settings.largest_message_bytes:
            raise Refused(session.hang_up(replies.MESSAGE_TOO_LARGE), "size")


def hold(content: Content, share: Share, octets: int) -> None:
    """Count octets that come in against what all sessions may hold."""
    if content.fault is not None:
        share.shrink()
    elif not share.grow(octets):
        content.refuse(Fault.NO_ROOM)


async def accept(session: Session, content: Content) -> Reply:
    """The whole message is here: judge it, publish it. The transaction is over in every case."""
    transaction, context = session.state.transaction, session.context
    assert transaction is not None
    raw = content.finish()
    try:
        if content.fault is not None:
            raise Refused(FAULT_REPLIES[content.fault], content.fault)
        own = await context.admission.own_addresses(session.submitter)
        context.acceptance.check(raw, session.profile.name, own)
        recipients = tuple(each.recipient for each in transaction.recipients.values())
        key = message_key(session.counted_as, transaction.mail_from, transaction.recipients, content.sha256)
        id = context.duplicates.id_of(key)
        if id is None:
            submission = Submission(
                listener=session.profile.name,
                peer=session.peer(),
                mail_from=transaction.mail_from,
                recipients=recipients,
                smtputf8=transaction.mail.smtputf8,
                ret=transaction.mail.ret,
                envid=transaction.mail.envid,
                body_type=transaction.mail.body_type,
            )
            id = await context.reception.take(submission, raw, sha256=content.sha256)
    except Temporary as error:
        raise Refused(replies.TRY_AGAIN, "bus") from error
    finally:
        session.end_transaction()
    session.accepted(key, id, len(raw))
    return Reply(250, "2.6.0", f"Message accepted as {id}")
