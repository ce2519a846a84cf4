"""One filter a file: `async def check(mail, context) -> Report` says what it saw. The module's text documents it.

A filter knows no score, takes no action and imports no other filter. `chain.py` gives it its place and its score.
"""
