"""Who signed a message and who vouches for it: DKIM (RFC 6376, 8301, 8463), ARC (RFC 8617), DMARC (RFC 7489).

Pure: the octets and a function that answers TXT questions go in, results in the words of RFC 8601 come out.
"""
