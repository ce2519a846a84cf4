"""External engines over their own protocols: SpamAssassin and Rspamd."""
