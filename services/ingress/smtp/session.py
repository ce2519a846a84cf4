"""The state of one SMTP peer, and the words exchanged with it; `dialogue` decides what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from libs.envelope import Peer, Tls
from libs.lineserver import Connection, LineTooLong
from libs.mail import replies
from libs.mail.replies import Reply
from libs.network import is_in, networks_of
from services.ingress.domain.budget import BudgetShare
from services.ingress.domain.relaying import Login, Submitter
from services.ingress.domain.session_state import ListenerProfile, SessionState
from services.ingress.domain.timeouts import Progress
from services.ingress.metrics import ListenerMetrics
from services.ingress.smtp.context import SmtpContext


class Session:
    """What commands read and change."""

    def __init__(
        self, connection: Connection, context: SmtpContext, profile: ListenerProfile, metrics: ListenerMetrics
    ) -> None:
        self.connection = connection
        self.context = context
        self.profile = profile
        self.metrics = metrics
        self.state = SessionState()
        if connection.tls is not None:
            self.state.tls = Tls(version=connection.tls.version, cipher=connection.tls.cipher)
        self.address, self.port = connection.peer
        self.networks = networks_of(self.address)
        self.peer_key = self.networks[0]
        settings = context.settings
        relays = is_in(self.address, settings.relay_networks)
        internal = relays or is_in(self.address, settings.internal_networks)
        self.submitter = Submitter(profile.name, self.address, internal=internal, relays=relays)
        self.share: BudgetShare | None = None
        self.auth_failures = 0
        # Since the last message was accepted.
        self.commands = self.idle_commands = self.errors = 0
        self.ends = False  # no further command is read
        self.stopping = False
        self.lingers = True
        self._waiting = False
        self._peer: tuple[object, Peer] | None = None
        # Key and id of the message whose 250 was sent last, and how much had come in by then.
        self._unheard: tuple[bytes, str, int] | None = None

    # Speaking

    def say(self, reply: Reply) -> None:
        """Send a reply with the next flush."""
        self.metrics.replied(reply.code)
        self.connection.write(_octets(reply))

    def hang_up(self, reply: Reply) -> Reply:
        """End the session; `reply`, which is returned, is the last one."""
        self.ends = True
        self.lingers = reply is not replies.BYE
        return reply

    async def read_line(self, limit: int, limit_of: Callable[[bytes], int] | None = None) -> bytes:
        """Return a line without its CR LF. Raises `Disconnected`, `PeerTimeout`, `LineTooLong`, `MalformedLine`.

        `limit_of` tells from its first four octets how long an unfinished line may grow; at most `limit`.
        """
        reader, timeouts, clock = self.connection.reader, self.context.timeouts, self.connection.loop.time
        deadline = begun = 0.0
        while (line := reader.next_line(limit)) is None:
            if reader.pending >= (limit_of(reader.peek(4)) if limit_of else limit):
                raise LineTooLong
            await self.connection.flush()
            now = clock()
            deadline = deadline or now + timeouts.idle
            if reader.pending and not begun:
                begun = now
                deadline = min(deadline, begun + timeouts.command)
            await self._wait_for_command(deadline)
        return line

    async def _wait_for_command(self, deadline: float) -> None:
        """Wait for more of a command; between the chunks of a message its own deadline counts too.

        Raises `Disconnected`, `PeerTimeout`.
        """
        transaction, clock = self.state.transaction, self.connection.loop.time
        progress = transaction.progress if transaction is not None else None
        now = clock()
        self._waiting = True
        try:
            await self.connection.reader.wait(deadline if progress is None else min(deadline, progress.deadline(now)))
        finally:
            self._waiting = False
        if progress is not None:
            progress.waited(clock() - now)

    async def wait_for_content(self, progress: Progress) -> None:
        """Wait for more of a message. Raises `Disconnected`, `PeerTimeout`."""
        clock = self.connection.loop.time
        now = clock()
        await self.connection.reader.wait(progress.deadline(now))
        progress.waited(clock() - now)

    def stop(self) -> None:
        """Read no further command; one that is in progress is finished (RFC 5321 3.8)."""
        self.stopping = True
        if self._waiting:
            self.connection.reader.end()

    # What commands do to the state

    def log_in(self, login: Login) -> None:
        """Note that the peer authenticated."""
        self.state.login = login
        self.submitter = replace(self.submitter, login=login)

    def peer(self) -> Peer:
        """Return the peer as the envelope describes it: the same object as long as nothing changes."""
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
        """Forget the transaction: after RSET, a greeting, or the end of a message."""
        self.state.transaction = None
        if self.share is not None:
            self.share.close()
            self.share = None

    def accepted(self, key: bytes, id: str, octets: int) -> None:
        """Note that a message was published, and that its 250 is about to be sent."""
        self.metrics.accepted(octets)
        self.commands = self.idle_commands = self.errors = 0
        self._unheard = (key, id, self.connection.reader.chunks_received)

    def remember_unheard(self) -> None:
        """Keep the last message as a possible duplicate when nothing followed its 250 (RFC 1047).

        The peer may not have heard the reply, and then it sends the message again.
        """
        if self._unheard is not None and self._unheard[2] == self.connection.reader.chunks_received:
            key, id, _ = self._unheard
            self.context.duplicates.remember(key, id)

    async def start_tls(self) -> None:
        """Encrypt the connection after STARTTLS. Raises `Disconnected` when the handshake fails."""
        await self.connection.flush()
        context = self.context
        await self.connection.start_tls(
            context.certificates.context, timeout=context.settings.tls_handshake_timeout.total_seconds()
        )
        tls = self.connection.tls
        assert tls is not None
        self.state.tls = Tls(version=tls.version, cipher=tls.cipher)


@lru_cache(maxsize=256)
def _octets(reply: Reply) -> bytes:
    """Most replies are the same few; those with an id pass through."""
    return reply.line()
