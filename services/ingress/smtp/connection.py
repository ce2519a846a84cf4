"""The connection of an SMTP peer: aiosmtpd's protocol class, with the transport layer of `libs.lineserver`.

Of aiosmtpd only the class stays. Its constructor reflects over every attribute of itself for each connection (a third
of a millisecond), the limits of its stream reader are those of a buffer and not of a command, and the command loop of
1.4.6 accepts commands that end with a bare LF, control characters in addresses, bare CR and LF in messages, and any
number of commands, recipients and failed logins. `dialogue` replaces that loop.
"""

from __future__ import annotations

import aiosmtpd.smtp

from libs.lineserver import Connection


class SmtpConnection(Connection, aiosmtpd.smtp.SMTP):
    """Everything that runs is in `Connection`, which does not call the constructors of aiosmtpd and asyncio."""
