"""SMTP replies (RFC 5321 4.2) with enhanced status codes (RFC 3463 2, RFC 2034 4), in one list.

The text is for the operator of the peer; no part of it comes from the message. `reply.because("...")` returns a reply
with the same codes and another text.
"""

from dataclasses import dataclass, replace

_MAX_QUOTED = 300
_MAX_LINE = 510  # RFC 5321 4.5.3.1.5: 512 octets with CRLF


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. `enhanced` is like `5.1.1`, or empty (greetings, EHLO and 354 have none); LF separates lines of `text`.

    Raises `ValueError` when the codes contradict each other or the text is not printable ASCII.
    """

    code: int
    enhanced: str
    text: str

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"no SMTP reply code: {self.code}")
        if self.enhanced and int(self.enhanced[0]) != self.code // 100:  # RFC 2034 4
            raise ValueError(f"{self.enhanced} contradicts {self.code}")
        if not all(line.isascii() and line.isprintable() for line in self.text.split("\n")):
            raise ValueError("the text of a reply is printable ASCII")

    def __str__(self) -> str:
        """Return the reply without the last CR LF; it may have several lines (RFC 5321 4.2.1)."""
        prefix = f"{self.enhanced} " if self.enhanced else ""  # RFC 2034 4: on every line
        lines = [(prefix + line)[: _MAX_LINE - 4] for line in self.text.split("\n")]
        return "\r\n".join([*(f"{self.code}-{line}" for line in lines[:-1]), f"{self.code} {lines[-1]}"])

    def line(self) -> bytes:
        """Return the octets on the wire, with CR LF."""
        return str(self).encode("ascii") + b"\r\n"

    def quoting(self, text: str) -> "Reply":
        """Return the same codes with a foreign text, such as a reason of another service; `?` replaces non-ASCII."""
        return replace(self, text="".join(c if " " <= c <= "~" else "?" for c in text)[:_MAX_QUOTED] or self.text)

    def because(self, text: str) -> "Reply":
        """Return the same codes with another text. Raises `ValueError` as the constructor does."""
        return replace(self, text=text)


# Success
SENDER_OK = Reply(250, "2.1.0", "Sender OK")  # RFC 3463 3.2
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")  # RFC 3463 3.2
OK = Reply(250, "2.0.0", "OK")
AUTHENTICATED = Reply(235, "2.7.0", "Authentication successful")  # RFC 4954 6
START_TLS = Reply(220, "2.0.0", "Ready to start TLS")  # RFC 3207 4
BYE = Reply(221, "2.0.0", "Bye")  # RFC 5321 4.1.1.10
CANNOT_VERIFY = Reply(
    252, "2.5.0", "Cannot VRFY user, but will accept message and attempt delivery"
)  # RFC 5321 3.5.3: the same for real and unreal users
SEND_DATA = Reply(354, "", "End data with <CR><LF>.<CR><LF>")  # RFC 5321 4.1.1.4

# Temporary failures
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down, try again")  # RFC 5321 3.8
IDLE_TIMEOUT = Reply(421, "4.4.2", "Timeout, closing connection")  # RFC 5321 4.5.3.2.7
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections from your address")  # RFC 3463 3.8
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without mail, closing connection")
TRY_AGAIN = Reply(451, "4.3.0", "Temporary failure, try again later")  # RFC 3463 3.4
DEFERRED_BY_POLICY = Reply(451, "4.7.1", "Deferred by policy, try again later")
LOOKUP_FAILED = Reply(451, "4.4.3", "Temporary lookup failure")  # RFC 3463 3.5
MAILBOX_FULL = Reply(452, "4.2.2", "Mailbox full")  # RFC 3463 3.3
STORAGE_FULL = Reply(452, "4.3.1", "Insufficient system storage")  # RFC 1870 6.1
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")  # RFC 5321 4.5.3.1.10
AUTH_UNAVAILABLE = Reply(454, "4.7.0", "Temporary authentication failure")  # RFC 4954 6; throttling uses it too

# Permanent failures: the command
SYNTAX_ERROR = Reply(500, "5.5.2", "Syntax error, command unrecognised")  # RFC 3463 3.6
LINE_TOO_LONG = Reply(500, "5.5.6", "Line too long")  # RFC 4954 4; RFC 5321 4.5.3.1.4
BAD_ARGUMENTS = Reply(501, "5.5.4", "Syntax error in parameters or arguments")  # RFC 3463 3.6
BAD_CHARACTERS = Reply(501, "5.5.2", "Control or 8-bit characters are not allowed here")  # RFC 5321 4.1.2
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")  # RFC 4954 4
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")  # RFC 5321 4.2.4
BAD_SEQUENCE = Reply(503, "5.5.1", "Bad sequence of commands")  # RFC 5321 4.1.4
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "MAIL or RCPT parameter not recognised or not implemented")  # RFC 5321 4.1.1.11
AUTH_MECHANISM_UNKNOWN = Reply(504, "5.5.4", "Authentication mechanism not supported")  # RFC 4954 4

# Permanent failures: the peer
AUTH_REQUIRED = Reply(530, "5.7.0", "Authentication required")  # RFC 4954 6
TLS_REQUIRED = Reply(530, "5.7.0", "Must issue a STARTTLS command first")  # RFC 3207 4
AUTH_FAILED = Reply(535, "5.7.8", "Authentication credentials invalid")  # RFC 4954 6
ENCRYPTION_NEEDED = Reply(538, "5.7.11", "Encryption required for authentication")  # RFC 4954 6
TALKED_TOO_EARLY = Reply(554, "5.5.0", "Protocol violation: data was received before the greeting")  # RFC 5321 4.3.1
REFUSED_BY_POLICY = Reply(550, "5.7.1", "Refused by policy")  # RFC 3463 3.8

# Permanent failures: the addresses
BAD_SENDER_SYNTAX = Reply(501, "5.1.7", "Bad sender address syntax")  # RFC 3463 3.2
SENDER_NOT_YOURS = Reply(553, "5.7.1", "Sender address not allowed for this account")  # RFC 6409 6.1
SMTPUTF8_NEEDED = Reply(553, "5.6.7", "Non-ASCII addresses need SMTPUTF8")  # RFC 6531 3.5
UNKNOWN_RECIPIENT = Reply(550, "5.1.1", "No such mailbox here")  # RFC 3463 3.2
RELAY_DENIED = Reply(550, "5.7.1", "Relaying denied")  # RFC 5321 7.1
NO_NULL_FORWARD_PATH = Reply(501, "5.1.3", "The null path is not a valid recipient")  # RFC 5321 4.1.1.3

# Permanent failures: the message
MESSAGE_TOO_LARGE = Reply(552, "5.3.4", "Message exceeds the size limit")  # RFC 1870 6.1, RFC 1870 6.3
MAIL_LOOP = Reply(554, "5.4.6", "Too many hops, mail loop")  # RFC 3463 3.5, RFC 5321 6.3
BAD_CONTENT = Reply(554, "5.6.0", "Message content refused")  # RFC 3463 3.7
BARE_LINE_BREAK = Reply(550, "5.6.0", "Bare CR or LF in the message")  # RFC 5321 2.3.8
TRANSACTION_FAILED = Reply(554, "5.5.1", "No valid recipients")  # RFC 5321 3.3
