"""The services of Facteur, in the order in which mail meets them.

    ingress    SMTP and HTTP in: refuses what it may refuse, publishes the rest, answers 250 when the broker has it
    antivirus  scans each message with every engine; infected mail goes to the quarantine
    antispam   runs the ordered chain of filters; tags, junks or quarantines by the policy of the recipient's domain
    router     domains, accounts, aliases, forwards: turns recipients into mailboxes and remote addresses
    store      folders, messages, bodies, quarantine
    relay      what leaves for other servers: MX, smarthosts, retries, delivery status notifications
    quota      usage, profiles, send limits; asked by ingress and store, fed by events

A service never imports another one. All have the same shape: `app.py` composes, `settings.py` configures, `domain.py`
holds the rules, `ports.py` what it needs, `handlers.py` what it consumes, `api.py` its HTTP, `adapters/` its sockets.
"""

SERVICES = ("ingress", "antivirus", "antispam", "router", "store", "relay", "quota")
