"""Renders the public pages: plain HTML, no script, no external resources, every value escaped.

WCAG 2.2: a language, one heading, labels for fields, errors that are announced, and a contact beside the captcha.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from libs.postmaster import plain
from services.store.quarantine.captcha import CHARACTERS
from services.store.quarantine.letters import moment
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.sender_validation import CaptchaPrompt
from services.store.quarantine.texts import TEXTS, Language

STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:38rem;padding:1rem;color:#1a1a1a}"
    "body{background:#fff}dt{font-weight:bold}dd{margin:0 0 .5rem;overflow-wrap:anywhere}"
    "label,img,input,button{display:block;margin:.5rem 0}"
    "img{max-width:100%;border:1px solid #767676}input{font:inherit;padding:.4rem;border:2px solid #595959;width:14rem}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.3rem;background:#0b5394;color:#fff}"
    "button.other{background:#a61b1b}[role=alert]{border-left:.4rem solid #a61b1b;padding:.3rem .8rem}"
    "a{color:#0b5394}:focus-visible{outline:3px solid #e69100;outline-offset:2px}"
)
_STYLE_DIGEST = b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # The URL of the page is the key to it: it must reach no log of another site and no cache.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages in one language. Methods return a whole HTML document."""

    language: Language

    def validation(self, asked: CaptchaPrompt, *, error: str = "") -> str:
        """Render the captcha page. `error` is the name of an error text."""
        held = asked.held
        facts = {"to": ", ".join(asked.recipients), "subject": self._subject(held), "held": moment(held.at)}
        return self._page(
            "validate_title",
            self._alert(error),
            self._paragraph("validate_intro"),
            self._facts(facts),
            '<form method="post">',
            f'<input type="hidden" name="challenge" value="{escape(asked.challenge.token)}">',
            self._asked(asked.drawing),
            '<input id="answer" name="answer" required maxlength="20" autocomplete="off" autocapitalize="off" '
            f'spellcheck="false"{self._described(error)}>',
            f"<button>{self._text('validate_button')}</button></form>",
            self._paragraph("picture_help", people=", ".join(asked.postmasters), at=moment(held.at)),
        )

    def own(self, held: QuarantinedMessage, recipients: Iterable[str]) -> str:
        """Render the page on which an account releases or deletes a held message."""
        sender = held.summary.sender or held.envelope.mail_from
        facts = {
            "from": sender, "to": ", ".join(recipients), "subject": self._subject(held), "held": moment(held.at),
        }  # fmt: skip
        buttons = (
            f'<button name="do" value="{act}"{style}>{self._text(f"own_{act}")}</button>'
            for act, style in (("release", ""), ("delete", ' class="other"'))
        )
        return self._page(
            "page_title",
            self._paragraph("own_intro"),
            self._facts(facts),
            f'<form method="post">{"".join(buttons)}</form>',
        )

    def message(self, title: str, *sentences: str, **values: str) -> str:
        """Render a page of `sentences` without a form."""
        return self._page(title, *(self._paragraph(sentence, **values) for sentence in sentences))

    def _page(self, title: str, *content: str) -> str:
        heading = self._text(title)
        return (
            f'<!DOCTYPE html>\n<html lang="{self.language}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{heading}</title><style>{STYLE}</style></head>"
            f"<body><main><h1>{heading}</h1>{''.join(content)}</main></body></html>\n"
        )

    def _asked(self, drawing: bytes) -> str:
        source, count = b64encode(drawing).decode(), str(CHARACTERS)
        return (
            f'<img src="data:image/png;base64,{source}" alt="{self._text("picture_alt", count=count)}">'
            f'<label for="answer">{self._text("picture_label", count=count)}</label>'
        )

    def _facts(self, facts: dict[str, str]) -> str:
        lines = (f"<dt>{self._text(name)}</dt><dd>{escape(plain(value))}</dd>" for name, value in facts.items())
        return f"<dl>{''.join(lines)}</dl>"

    def _subject(self, held: QuarantinedMessage) -> str:
        return plain(held.summary.subject)[:200] or TEXTS[self.language]["no_subject"]

    def _alert(self, error: str) -> str:
        return f'<p role="alert" id="error">{self._text(error)}</p>' if error else ""

    def _described(self, error: str) -> str:
        return ' aria-invalid="true" aria-describedby="error"' if error else ""

    def _paragraph(self, sentence: str, **values: str) -> str:
        return f"<p>{self._text(sentence, **values)}</p>"

    def _text(self, name: str, **values: str) -> str:
        return escape(TEXTS[self.language][name].format(**values))


def language_of(accepted: str) -> Language:
    """Select a language by `Accept-Language` (RFC 9110 12.5.4): the first one known, in the order of browsers."""
    for part in accepted[:200].lower().split(","):
        match part.strip()[:2]:
            case "fr":
                return "fr"
            case "en":
                return "en"
    return "en"
