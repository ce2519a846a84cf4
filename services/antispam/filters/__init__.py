"""The filters: `async def check(mail, context) -> Report` says what it saw; its documentation is the module's.

A file holds one filter, or a family of filters that read the same: functions that bear the names of their steps, each
with its own documentation. The first line says what a filter detects, a last paragraph `See: ...` names the RFC or
specification behind it. A filter knows no score, takes no action and imports no other filter: `chain.py` gives it its
place and its score.
"""
