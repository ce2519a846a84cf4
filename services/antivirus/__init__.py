"""antivirus: every configured engine must call a message clean before it goes on.

Consumes   the queue `mail.antivirus`
Emits      clean and tagged mail to `mail.antispam`, infected mail to `mail.quarantine` (without a notice); the events
           VirusFound and FingerprintChanged
Owns       the engines, the fingerprints of attachments and their statistics
Fails      closed: an engine that is down, hangs or answers against its protocol makes the message wait for a
           retry. What an engine cannot look into (a bomb, a message over its limits) is a finding, for which
           there is a policy: it would be no different tomorrow.
"""
