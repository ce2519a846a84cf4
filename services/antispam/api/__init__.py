"""HTTP of antispam: parse, call, respond. One file a resource."""

from __future__ import annotations

from libs.http import About
from libs.http.blacklisted_peers import TAG, TAG_TEXT

ABOUT = About(
    description="Filters, policies, lists, the classifier and the reputation of peers and senders.",
    tags={
        TAG: TAG_TEXT,
        "chain": "The filters in their order, and a check of any message.",
        "policies": "What becomes of spam, and by which filters: of a domain, of all, of outgoing mail.",
        "lists": "White and black lists of senders and peers.",
        "rules": "Rules of the administrator: keywords, exceptions to them, and logic over filters and facts.",
        "images": "Images known from spam, by a fingerprint that survives small changes.",
        "statistics": "What was received and found, by domain or account, and day.",
        "honeypots": "Hidden addresses; peers that send to them are refused for a while.",
        "automatic whitelist": "Senders that count as known, since users wrote to them or they validated themselves.",
        "complaints": "What recipients complained about.",
        "learning": "Training of the classifier with spam and ham.",
        "reception": "What ingress asks when a message comes in.",
    },
)
