"""Bayesian statistics of spam and ham, learned from messages that people classify.

Input      tokens of messages and their counts: `message.tokens` splits a message, `classifier` scores its tokens
Promises   the same score for the same tokens and counts; no message, however hostile, costs more than a long one; no
           opinion while only one class is learned, and a weak one while few messages are
Accuracy   `make evaluate` measures it on the even half of the public SpamAssassin corpus, in three folds
"""
