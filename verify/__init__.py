"""The verification of the paper's claims; ``python -m verify`` runs it."""
