"""Authentication of mail: SPF (RFC 7208), DKIM (RFC 6376, RFC 8301, RFC 8463), ARC (RFC 8617), DMARC (RFC 7489).

The code is pure: it takes octets and a function that looks up TXT records, and returns results of RFC 8601.
"""
