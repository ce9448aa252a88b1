"""Independent oracles (balls, rationals, brute force) that share no code with what they judge."""
