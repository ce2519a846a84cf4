"""What is remembered of peers and senders: greylist, bans, complaints, automatic whitelist, mass mailings."""
