"""The SMTP loop: read a command, answer it, until either side ends the session."""

from __future__ import annotations

import asyncio

import structlog

from libs.lineserver import Disconnected, LineTooLong, MalformedLine, PeerTimeout
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.refusal import CommandRefused
from services.ingress.smtp.commands import COMMANDS, Command, split_command
from services.ingress.smtp.connect import greet
from services.ingress.smtp.session import Session

log = structlog.get_logger(__name__)

_LONGEST = max(command.octets for command in COMMANDS.values())
_COMMAND_OCTETS = 512  # RFC 5321 4.5.3.1.4, CR LF included: the limit of an unknown command
YIELD_EVERY = 64  # commands between two looks at the clock
_LINGER_SECONDS = 1.0

_NO_COMMAND = replies.SYNTAX_ERROR.because("A command is one line of text that ends with CR LF")
_BAD_PIPELINING = Reply(503, "5.5.0", "Pipelining is not allowed with this command")  # RFC 2920 3.1
_TOO_MANY_ERRORS = replies.TOO_MANY_COMMANDS.because("Too many errors, closing connection")
_INTERNAL_ERROR = Reply(421, "4.3.0", "Internal error, try again later")


class Dialogue:
    """Runs the loop of one session."""

    __slots__ = ("_checked_at", "_session", "_since_check")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._since_check = 0
        self._checked_at = 0.0

    async def run(self) -> None:
        """Serve the peer; the connection is closed in every case."""
        session = self._session
        try:
            if await greet(session):
                await self._converse()
            await self._close()
        except PeerTimeout:
            await self._reply_and_close(replies.IDLE_TIMEOUT)
        except Disconnected:
            if session.stopping:
                await self._reply_and_close(replies.SHUTTING_DOWN)
        finally:
            session.end_transaction()
            session.remember_unheard()
            session.connection.close()

    def stop(self) -> None:
        self._session.stop()

    async def _converse(self) -> None:
        session = self._session
        try:
            while not (session.ends or session.stopping):
                await self._dispatch(await session.read_line(_LONGEST, _limit_of))
        except LineTooLong:
            session.say(replies.LINE_TOO_LONG)
        except MalformedLine:  # RFC 5321 2.3.8
            session.say(_NO_COMMAND)
        if session.stopping and not session.ends:
            session.say(replies.SHUTTING_DOWN)

    async def _dispatch(self, line: bytes) -> None:
        """Answer one command."""
        session = self._session
        verb, argument = split_command(line)
        command = COMMANDS.get(verb)
        if len(line) + 2 > (command.octets if command else _COMMAND_OCTETS):
            raise LineTooLong
        reply = self._count(command) or await self._carry_out(command, argument)
        if reply is not None:
            if reply.code >= 500:
                session.errors += 1
                if session.errors > session.context.settings.max_errors:
                    reply = session.hang_up(_TOO_MANY_ERRORS)
            session.say(reply)
        self._since_check += 1
        if self._since_check == YIELD_EVERY:
            await self._rate_limit()

    def _count(self, command: Command | None) -> Reply | None:
        """Count a command; the last reply when there were too many."""
        session, settings = self._session, self._session.context.settings
        session.commands += 1
        if command is None or command.is_idle:
            session.idle_commands += 1
        if session.commands > settings.max_commands or session.idle_commands > settings.max_idle_commands:
            return session.hang_up(replies.TOO_MANY_COMMANDS)
        return None

    async def _carry_out(self, command: Command | None, argument: bytes) -> Reply | None:
        session = self._session
        if command is None:
            # A peer that does not begin with EHLO or HELO speaks another protocol, such as HTTP or TLS.
            return replies.SYNTAX_ERROR if session.state.helo else session.hang_up(replies.SYNTAX_ERROR)
        if session.connection.reader.pending and not (
            command.pipelines and (session.state.extended or command.is_last)
        ):
            return session.hang_up(_BAD_PIPELINING)
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            return replies.BAD_CHARACTERS
        if not (text if "\t" not in text else text.replace("\t", " ")).isprintable():
            return replies.BAD_CHARACTERS
        try:
            return await command.run(session, text)
        except CommandRefused as refused:
            session.metrics.refused(command.name, refused.reason)
            return refused.reply
        except (Disconnected, PeerTimeout, LineTooLong, MalformedLine):
            raise
        except Exception as error:
            log.error("command_failed", command=command.name, peer=session.address, exc_info=error)
            return session.hang_up(_INTERNAL_ERROR)

    async def _rate_limit(self) -> None:
        """Yield to other sessions; a peer that is faster than allowed waits."""
        now = self._session.connection.loop.time()
        due = self._checked_at + YIELD_EVERY / self._session.context.settings.max_commands_per_second
        await asyncio.sleep(max(0.0, due - now))
        self._checked_at, self._since_check = max(now, due), 0

    async def _close(self) -> None:
        """Send what was said, and give the peer the time to read it."""
        session = self._session
        try:
            await session.connection.flush()
            if session.lingers:
                await session.connection.linger(_LINGER_SECONDS)
        except (Disconnected, PeerTimeout):
            return

    async def _reply_and_close(self, reply: Reply) -> None:
        self._session.say(reply)
        await self._close()


def _limit_of(beginning: bytes) -> int:
    """The longest line of the command that begins so."""
    command = COMMANDS.get(beginning.upper())
    return command.octets if command else _COMMAND_OCTETS
