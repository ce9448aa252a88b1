"""Computations that several claims read."""
