"""The ways in which attention is computed, each an object; ``Automatic`` chooses among them."""
