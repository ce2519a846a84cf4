"""SMTP as peers speak it.

`server` binds the listeners, `connection` is the protocol (on aiosmtpd's), `intake` what the peer sent and nobody took
yet, `arrival` all before the greeting, `session` the dialogue, `commands` the table of verbs; one file a group of verbs
beside it, and `site` what all sessions share.
"""
