"""MAIL and RCPT."""

from __future__ import annotations

from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.parameters import mail_arguments, rcpt_arguments
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.session_state import Transaction, before_mail, before_rcpt
from services.ingress.smtp.session import Session


async def mail(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.2: begin a transaction. What would fail later fails now, before the peer sends megabytes."""
    if problem := before_mail(session.state, session.profile):
        return problem
    asked = mail_arguments(argument, extended=session.state.extended)
    context = session.context
    if asked.size_bytes > context.settings.largest_message_bytes:
        raise CommandRefused(replies.MESSAGE_TOO_LARGE, "size")
    if not context.healthy():
        raise CommandRefused(replies.TRY_AGAIN, "bus")
    if not context.budget.has_room(asked.size_bytes, session.networks):
        raise CommandRefused(replies.STORAGE_FULL, "load")
    await context.admission.check_sender(asked.path, session.submitter)
    session.state.transaction = Transaction(asked, asked.path.address)
    return replies.SENDER_OK


async def rcpt(session: Session, argument: str) -> Reply:
    """RFC 5321 4.1.1.3: add a recipient. One that is named twice is one recipient."""
    state = session.state
    if problem := before_rcpt(state):
        return problem
    transaction = state.transaction
    assert transaction is not None
    asked = rcpt_arguments(argument, extended=state.extended, smtputf8=transaction.mail.smtputf8)
    admitted = await session.context.admission.admit_recipient(
        asked,
        session.submitter,
        already=transaction.recipients,
        null_sender=not transaction.mail_from,
        size_bytes=transaction.mail.size_bytes,
        sender=transaction.mail_from,
    )
    transaction.recipients[admitted.key] = admitted
    return replies.RECIPIENT_OK
