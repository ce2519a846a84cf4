"""SMTP as peers speak it, on `libs.lineserver`.

`server` binds the listeners, `context` holds what all sessions share, `connect` greets, `dialogue` is the command loop,
`session` the state of one peer, `commands` the table of verbs; each group of verbs has a file beside it.
"""
