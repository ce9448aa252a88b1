"""Claims on real data."""
