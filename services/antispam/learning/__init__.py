"""What mail looked like that people called spam, and what looked like ham: learned statistics (R-SPAM-24).

Knows      nothing but tokens and counts: `tokens` makes the ones of a message, `classifier` weighs them with the others
Promises   the same score for the same tokens and counts; no message, however hostile, costs more than a long one; no
           opinion where only one class was ever learned, and little where little was
Figures    `make evaluate`: on the even half of the public SpamAssassin corpus, in three folds
"""
