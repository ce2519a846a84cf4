"""antivirus: no message goes on before every configured engine has called it clean.

Consumes   the queue `mail.antivirus`
Emits      clean and tagged mail to `mail.antispam`, infected mail to `mail.quarantine` (nobody is told); the events
           VirusFound and FingerprintChanged
Owns       the engines, the fingerprints of attachments and their statistics
Fails      closed: an engine that is down, hangs or gives an answer that it should not makes the message wait and be
           tried again. What an engine cannot look into (a bomb, a message over its limits) is a finding, for which
           there is a policy: it would be no different tomorrow.
"""
