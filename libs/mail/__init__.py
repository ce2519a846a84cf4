"""What a mail message and an address are: pure rules on bytes and text, no socket, nothing else of the repo.

Reading is lazy, linear in time and bounded by `Limits`; what is wrong with a message is reported as `Defect`, never
raised, since mail comes from strangers and policy, not the parser, decides what becomes of it. Writing is strict: what
we render obeys the RFCs or raises `ValueError`.
"""
