"""One SMTP dialogue: read a command, answer it, until somebody has had enough."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from libs.envelope import Peer
from libs.mail import replies
from libs.mail.replies import Reply
from libs.network import is_in, networks_of
from services.ingress.domain.budget import Share
from services.ingress.domain.pace import Progress
from services.ingress.domain.refusal import Refused
from services.ingress.domain.relaying import Login, Submitter
from services.ingress.domain.sequence import State
from services.ingress.smtp.commands import COMMANDS, Command, parted
from services.ingress.smtp.connect import welcome
from services.ingress.smtp.connection import Connection
from services.ingress.smtp.line_reader import Gone, LineTooLong, NoCommand, Silent

if TYPE_CHECKING:
    from services.ingress.smtp.server import Door

log = structlog.get_logger(__name__)

_LONGEST = max(command.octets for command in COMMANDS.values())
_COMMAND_OCTETS = 512  # RFC 5321 4.5.3.1.4, CR LF included, for what is no command of ours
_BREATH = 64  # commands between two looks at the clock
_LINGER = 1.0

_NO_COMMAND = replies.SYNTAX_ERROR.because("A command is one line of text that ends with CR LF")
_OUT_OF_STEP = Reply(503, "5.5.0", "You sent more before this was answered")  # RFC 2920 3.1
_TOO_MANY_ERRORS = replies.TOO_MANY_COMMANDS.because("Too many errors, closing connection")
_BUG = Reply(421, "4.3.0", "Internal error, try again later")


class Session:
    """The state of one peer and the loop that serves it."""

    def __init__(self, connection: Connection, door: Door) -> None:
        self.connection = connection
        self.site = door.site
        self.profile = door.profile
        self.metrics = door.metrics
        self.door = door
        self.state = State()
        self.locate(*connection.peer)
        self.share: Share | None = None
        self._peer: tuple[object, Peer] | None = None
        self.auth_failures = 0
        self._commands = self._idle_commands = self._errors = self._breath = 0
        self._checked_at = 0.0
        # Key and id of the message whose 250 went out last, and how much had come in by then.
        self._unheard: tuple[bytes, str, int] | None = None
        self._hung_up = self._stopping = self._waiting = False
        self._lingers = True

    async def run(self) -> None:
        """Ends with the connection closed in every case."""
        try:
            await self._talk()
        except Silent:
            await self._last_word(replies.IDLE_TIMEOUT)
        except Gone:
            if self._stopping:
                await self._last_word(replies.SHUTTING_DOWN)
        finally:
            self.end_transaction()
            self._remember_unheard()
            self.connection.close()

    # What commands do to the session

    def say(self, reply: Reply) -> None:
        """Answer, with the next flush."""
        self.metrics.replied(reply.code)
        self.connection.write(_octets(reply))

    def hang_up(self, reply: Reply) -> Reply:
        """`reply` is the last one."""
        self._hung_up = True
        self._lingers = reply is not replies.BYE
        return reply

    def locate(self, address: str, port: int) -> None:
        """Where the peer is, and what that makes of it."""
        settings = self.site.settings
        relays = is_in(address, settings.relay_networks)
        internal = relays or is_in(address, settings.internal_networks)
        self.address, self.port = address, port
        self.networks = networks_of(address)
        self.counted_as = self.networks[0]
        self.submitter = Submitter(self.profile.name, address, internal=internal, relays=relays)

    def log_in(self, login: Login) -> None:
        """The peer proved who it is."""
        self.state.login = login
        self.submitter = replace(self.submitter, login=login)

    def peer(self) -> Peer:
        """Who hands the message in, for its envelope; the same object as long as nothing changes."""
        state = self.state
        known = (state.helo, state.protocol, state.tls, state.login)
        if self._peer is None or self._peer[0] != known:
            account = state.login.account if state.login else None
            self._peer = known, Peer(
                address=self.address, port=self.port, helo=state.helo, tls=state.tls,
                account=account, protocol=state.protocol, relays=self.submitter.relays,
            )  # fmt: skip
        return self._peer[1]

    def end_transaction(self) -> None:
        """RSET, a greeting, the end of a message: nothing of it is left."""
        self.state.transaction = None
        if self.share is not None:
            self.share.close()
            self.share = None

    def accepted(self, key: bytes, id: str, octets: int) -> None:
        """The message is ours, and the peer is about to hear it."""
        self.metrics.accepted(octets)
        self._commands = self._idle_commands = self._errors = 0
        self._unheard = (key, id, self.connection.intake.arrivals)

    async def encrypt(self, *, from_start: bool = False) -> None:
        """TLS, now or from the start of the connection. Raises `Gone` when the handshake fails."""
        await self.connection.flush()
        site = self.site
        self.state.tls = await self.connection.start_tls(
            site.certificates.context, timeout=site.settings.tls_timeout.total_seconds(), from_start=from_start
        )

    async def read_line(self, limit: int | None = None) -> bytes:
        """A line without its CR LF. Raises `Gone`, `Silent`, `LineTooLong`, `NoCommand`."""
        intake, pace, clock = self.connection.intake, self.site.pace, self.connection.loop.time
        deadline = begun = 0.0
        while (line := intake.line(limit or _LONGEST)) is None:
            if intake.pending >= (limit or _longest(intake.peek(4))):
                raise LineTooLong
            await self.connection.flush()
            now = clock()
            deadline = deadline or now + pace.idle
            if intake.pending and not begun:
                begun = now
                deadline = min(deadline, begun + pace.command)
            await self._more(deadline)
        return line

    async def _more(self, deadline: float) -> None:
        """Wait for more of a command. Between the chunks of a message its pace counts too. Raises `Gone`, `Silent`."""
        transaction, clock = self.state.transaction, self.connection.loop.time
        progress = transaction.progress if transaction is not None else None
        now = clock()
        self._waiting = True
        try:
            await self.connection.intake.more(deadline if progress is None else min(deadline, progress.deadline(now)))
        finally:
            self._waiting = False
        if progress is not None:
            progress.waited(clock() - now)

    async def more_content(self, progress: Progress) -> None:
        """Wait for more of a message. Raises `Gone`, `Silent`."""
        clock = self.connection.loop.time
        now = clock()
        await self.connection.intake.more(progress.deadline(now))
        progress.waited(clock() - now)

    def stop(self) -> None:
        """No further command; one that is under way is finished (RFC 5321 3.8)."""
        self._stopping = True
        if self._waiting:
            self.connection.intake.end()

    # The dialogue

    async def _talk(self) -> None:
        if await welcome(self):
            await self._converse()
        await self._part()

    async def _converse(self) -> None:
        try:
            while not (self._hung_up or self._stopping):
                await self._obey(await self.read_line())
        except LineTooLong:
            self.say(replies.LINE_TOO_LONG)
        except NoCommand:
            self.say(_NO_COMMAND)
        if self._stopping and not self._hung_up:
            self.say(replies.SHUTTING_DOWN)

    async def _obey(self, line: bytes) -> None:
        verb, argument = parted(line)
        command = COMMANDS.get(verb)
        if len(line) + 2 > (command.octets if command else _COMMAND_OCTETS):
            raise LineTooLong
        reply = self._overrun(command) or await self._carry_out(command, argument)
        if reply is not None:
            if reply.code >= 500:
                self._errors += 1
                if self._errors > self.site.settings.max_errors:
                    reply = self.hang_up(_TOO_MANY_ERRORS)
            self.say(reply)
        self._breath += 1
        if self._breath == _BREATH:
            await self._breathe()

    def _overrun(self, command: Command | None) -> Reply | None:
        self._commands += 1
        if command is None or command.is_idle:
            self._idle_commands += 1
        settings = self.site.settings
        if self._commands > settings.max_commands or self._idle_commands > settings.max_idle_commands:
            return self.hang_up(replies.TOO_MANY_COMMANDS)
        return None

    async def _carry_out(self, command: Command | None, argument: bytes) -> Reply | None:
        if command is None:
            # A peer that does not begin with a greeting speaks another language: HTTP, TLS, something worse.
            return replies.SYNTAX_ERROR if self.state.helo else self.hang_up(replies.SYNTAX_ERROR)
        if self.connection.intake.pending and not (command.pipelines and (self.state.extended or command.is_last)):
            return self.hang_up(_OUT_OF_STEP)
        try:
            text = argument.decode()
        except UnicodeDecodeError:
            return replies.BAD_CHARACTERS
        if not (text if "\t" not in text else text.replace("\t", " ")).isprintable():
            return replies.BAD_CHARACTERS
        try:
            return await command.run(self, text)
        except Refused as refused:
            self.metrics.refused(command.name, refused.reason)
            return refused.reply
        except (Gone, Silent, LineTooLong, NoCommand):
            raise
        except Exception as error:
            log.error("command_failed", command=command.name, peer=self.address, exc_info=error)
            return self.hang_up(_BUG)

    async def _breathe(self) -> None:
        """Let others have their turn; a peer that is faster than allowed waits."""
        now = self.connection.loop.time()
        due = self._checked_at + _BREATH / self.site.settings.max_commands_per_second
        await asyncio.sleep(max(0.0, due - now))
        self._checked_at, self._breath = max(now, due), 0

    async def _part(self) -> None:
        try:
            await self.connection.flush()
            if self._lingers:
                await self.connection.linger(_LINGER)
        except (Gone, Silent):
            return

    async def _last_word(self, reply: Reply) -> None:
        self.say(reply)
        await self._part()

    def _remember_unheard(self) -> None:
        """Nothing came after the 250: whether the peer heard it, nobody knows (RFC 1047)."""
        if self._unheard is not None and self._unheard[2] == self.connection.intake.arrivals:
            key, id, _ = self._unheard
            self.site.duplicates.remember(key, id)


@lru_cache(maxsize=256)
def _octets(reply: Reply) -> bytes:
    """Most replies are the same few; those with an id pass through."""
    return reply.line()


def _longest(beginning: bytes) -> int:
    command = COMMANDS.get(beginning.upper())
    return command.octets if command else _COMMAND_OCTETS
