"""HTTP: parse, call, respond."""

from __future__ import annotations

from libs.http import About
from libs.http.blacklisted_peers import TAG, TAG_TEXT

ABOUT = About(
    description="The way into the cluster: SMTP and HTTP.",
    tags={
        TAG: TAG_TEXT,
        "sending": "Mail that programs send over HTTP.",
    },
)
