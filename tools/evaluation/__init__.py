"""How well and how quickly spam is told from ham: Bayes alone, the offline chain, SpamAssassin, Rspamd, side by side.

`make evaluate`: three folds of the even half of the public corpus, each judged by who learned the others. No network.
"""
