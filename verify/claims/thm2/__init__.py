"""Claims of Theorem 2: what attention can approximate."""
