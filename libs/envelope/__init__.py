"""What travels on the queue: an envelope, the raw message, and the two ways in which a stage can refuse it.

`model` is the envelope, `framing` its bytes on the queue, `outcomes` the errors that cross a boundary.
"""

from libs.envelope.framing import Malformed, Newer, decode, encode
from libs.envelope.model import Envelope, Finding, Mail, Peer, Recipient, Tls, Verdict, new_id
from libs.envelope.outcomes import Permanent, Temporary, check_actions, understood

__all__ = [
    "Envelope",
    "Finding",
    "Mail",
    "Malformed",
    "Newer",
    "Peer",
    "Permanent",
    "Recipient",
    "Temporary",
    "Tls",
    "Verdict",
    "check_actions",
    "decode",
    "encode",
    "new_id",
    "understood",
]
