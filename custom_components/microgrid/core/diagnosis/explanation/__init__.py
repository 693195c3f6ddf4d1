"""A diagnosis in a language model's words: what it is told, what of its answer counts, what it may cost."""
