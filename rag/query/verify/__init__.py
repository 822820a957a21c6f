"""Whether each statement of an answer stands in the passages it cites.

What the check cannot see, for it compares words, values and clauses and knows no grammar: verbs
of other meaning that its short list of opposites lacks ("heads" and "was dismissed from"); roles
swapped within one passage, of which it finds only some ("the housing is made of rubber" where
the impeller is passes); comparisons that take arithmetic ("higher than in Q2"); "one", which may
be an article; in Chinese, who is what.  Where an answer is in another language than its passage,
numbers, dates, names and units decide: the lack of shared words alone is no problem.
"""
