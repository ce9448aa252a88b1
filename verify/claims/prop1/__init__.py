"""Claims of Proposition 1: attention's kernel and its feature spaces."""
