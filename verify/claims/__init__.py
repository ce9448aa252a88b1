"""The claims: one file each, whose path is its id."""
