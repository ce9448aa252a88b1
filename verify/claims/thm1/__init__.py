"""Claims of Theorem 1: the representer theorem, in its readings."""
