"""The names of the work queues, by the service that consumes them."""

ANTIVIRUS = "mail.antivirus"
ANTISPAM = "mail.antispam"
ROUTER = "mail.router"
STORE = "mail.store"
QUARANTINE = "mail.quarantine"
RELAY = "mail.relay"

ALL = (ANTIVIRUS, ANTISPAM, ROUTER, STORE, QUARANTINE, RELAY)
