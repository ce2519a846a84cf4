"""The reputation of peers and senders: greylist, blacklisted peers, complaints, automatic whitelist, mass mailings."""
