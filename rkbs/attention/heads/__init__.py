"""Heads in torch: two towers, many at once, and their training."""
