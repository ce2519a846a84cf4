"""Fits a message to the extensions of a server, or fails where they do not suffice (RFC 6152 3, RFC 6531 3.5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from libs.envelope import Envelope, Recipient
from libs.mail import xtext
from libs.mail.address import needs_smtputf8
from libs.postmaster import notify_without_success
from services.relay.domain.header_words import CannotConvert, seven_bit_header
from services.relay.domain.long_lines import has_long_line
from services.relay.domain.replies import Result, failed
from services.relay.domain.seven_bits import fitted, split_header

NO_SMTPUTF8 = "5.6.7"  # RFC 6531 3.5
NO_CONVERSION = "5.6.3"  # RFC 3463 3.7: conversion required but not supported
TOO_LARGE = "5.3.4"


@dataclass(frozen=True, slots=True)
class Payload:
    """The octets to send, with the parameters of MAIL."""

    raw: bytes
    options: tuple[str, ...]


def payload_for(
    extensions: Mapping[str, str], envelope: Envelope, recipients: Collection[Recipient], raw: bytes
) -> Payload | Result:
    """The payload for `recipients`; a `Result` is the outcome for all of them, and nothing is sent."""
    wants_utf8 = _needs_utf8(envelope, recipients)
    header, body = (raw, b"") if raw.isascii() else split_header(raw)
    if not header.isascii():
        wants_utf8 = wants_utf8 or envelope.smtputf8
        if not wants_utf8 and not ("SMTPUTF8" in extensions and _is_utf8(header)):
            try:
                header = seven_bit_header(header)
            except CannotConvert as error:
                return failed(f"{NO_SMTPUTF8} its header cannot be in ASCII: {error}", status=NO_SMTPUTF8)
            raw = header + body
        else:
            wants_utf8 = True
    if wants_utf8 and "SMTPUTF8" not in extensions:
        return failed(f"{NO_SMTPUTF8} the server takes no internationalised mail (SMTPUTF8)", status=NO_SMTPUTF8)
    options = ["SMTPUTF8"] if wants_utf8 else []
    try:
        raw = fitted(raw, takes_8_bit="8BITMIME" in extensions)
    except CannotConvert as error:
        what = "lines of more than 998 octets" if has_long_line(raw) else "8-bit mail (8BITMIME)"
        return failed(f"{NO_CONVERSION} the server takes no {what}: {error}", status=NO_CONVERSION)
    if not raw.isascii():
        options.append("BODY=8BITMIME")
    return _sized(extensions, envelope, raw, options)


def split_by_need(envelope: Envelope, recipients: Sequence[Recipient]) -> list[list[Recipient]]:
    """Separate the recipients whose address needs SMTPUTF8 from the others, which must not fail with them."""
    plain = [recipient for recipient in recipients if not needs_smtputf8(recipient.address)]
    odd = [recipient for recipient in recipients if needs_smtputf8(recipient.address)]
    return [group for group in (plain, odd) if group]


def rcpt_options(extensions: Mapping[str, str], recipient: Recipient) -> list[str]:
    """The parameters of RCPT for DSN (RFC 3461 4)."""
    if "DSN" not in extensions:
        return []
    notify = notify_without_success(recipient.notify) if recipient.expanded and recipient.notify else recipient.notify
    options = [f"NOTIFY={','.join(notify)}"] if notify else []
    return [*options, f"ORCPT={xtext.encode_orcpt(recipient.orcpt)}"] if recipient.orcpt else options


def _sized(extensions: Mapping[str, str], envelope: Envelope, raw: bytes, options: list[str]) -> Payload | Result:
    if "SIZE" in extensions:
        limit = extensions["SIZE"].strip()
        if limit.isdecimal() and 0 < int(limit[:18]) < len(raw):  # RFC 1870 4: 0 is no limit
            return failed(f"{TOO_LARGE} {len(raw)} octets, the server takes {limit[:18]}", status=TOO_LARGE)
        options.insert(0, f"SIZE={len(raw)}")
    if "DSN" in extensions:
        options += [f"RET={envelope.ret}"] if envelope.ret in ("FULL", "HDRS") else []
        options += [f"ENVID={xtext.encode(envelope.envid)}"] if envelope.envid else []
    return Payload(raw, tuple(options))


def _needs_utf8(envelope: Envelope, recipients: Collection[Recipient]) -> bool:
    return any(map(needs_smtputf8, (envelope.mail_from, *(recipient.address for recipient in recipients))))


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
