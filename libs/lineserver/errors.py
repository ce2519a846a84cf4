"""Errors of reading from a peer."""

from __future__ import annotations


class Disconnected(Exception):
    """The peer closed the connection, or the connection broke."""


class PeerTimeout(Exception):
    """The peer did not send in time."""


class LineTooLong(Exception):
    """The peer sent more octets than a line may have, with or without a line end."""


class MalformedLine(Exception):
    """The octets are no line of text: the line ends with a bare LF, or begins with a control character."""
