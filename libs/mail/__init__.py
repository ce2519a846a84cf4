"""Messages and addresses: pure rules on bytes and text, without a socket and without other libraries of the tree.

Reading is lazy, linear in time and bounded by `MessageLimits`; damage is reported as `Defect`, never raised,
since mail comes from strangers, and policy decides on it, not the parser. Writing is strict: rendered mail obeys the
RFCs, or rendering raises `ValueError`.
"""
