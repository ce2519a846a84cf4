"""The work queues of the main way, by the service that consumes them (design, section 1)."""

ANTIVIRUS = "mail.antivirus"
ANTISPAM = "mail.antispam"
ROUTER = "mail.router"
STORE = "mail.store"
QUARANTINE = "mail.quarantine"
RELAY = "mail.relay"

ALL = (ANTIVIRUS, ANTISPAM, ROUTER, STORE, QUARANTINE, RELAY)
