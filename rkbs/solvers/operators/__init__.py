"""Solvers of the operator reading, with ridge and with spectral penalties."""
