"""The viruses that the built-in engine knows by their octets: one, which every engine must know."""

from __future__ import annotations

# The EICAR test file (Anti-Malware Testfile, 2003), in two pieces so that this file is none.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

_SIGNATURES = ((EICAR, "Eicar-Test-Signature"),)


def virus_in(octets: bytes) -> str | None:
    """The name of a virus in `octets`, wherever it stands: a footer or a prefix must not hide it."""
    for signature, name in _SIGNATURES:
        if signature in octets:
            return name
    return None
