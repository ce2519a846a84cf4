"""The services of Facteur: the one table of their names, their ports and what each of them does.

A service never imports another one. The small ones have the same shape: `app.py` composes, `settings.py` configures,
`domain.py` holds the rules, `ports.py` names what the rules need, `handlers.py` handles messages and events, `api.py`
answers HTTP, `adapters/` holds everything with a socket. antispam and store are cut by subject instead of by layer.
"""

from __future__ import annotations

from typing import NamedTuple


class ServiceEntry(NamedTuple):
    """A service with the port of its HTTP API (before `port_base` is added) and a sentence on what it does."""

    name: str
    port: int
    sentence: str


# In the order of their ports, which is about the order in which mail passes them. The tests hold libs.settings,
# README.md, pyproject.toml and k8s/ to this table.
TABLE = (
    ServiceEntry("ingress", 8001, "Takes mail by SMTP and HTTP; answers 250 only when the queue has the message."),
    ServiceEntry("antivirus", 8002, "Scans each message with every engine; infected mail goes to the quarantine."),
    ServiceEntry("antispam", 8003, "Runs the chain of filters; tags, junks or quarantines by the domain's policy."),
    ServiceEntry("router", 8004, "Knows domains, accounts, aliases and forwards; resolves recipients to mailboxes."),
    ServiceEntry("store", 8005, "Keeps folders, messages and the quarantine; stores each body once."),
    ServiceEntry("quota", 8006, "Counts usage and sending; answers ingress and store whether a limit is reached."),
    ServiceEntry("relay", 8007, "Sends mail to other servers: MX, smarthost, retries, delivery status notifications."),
)
SERVICES = tuple(entry.name for entry in TABLE)
