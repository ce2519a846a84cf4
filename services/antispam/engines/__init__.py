"""Clients of the external engines SpamAssassin and Rspamd, over their own protocols."""
