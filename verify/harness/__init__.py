"""What runs, records and shows claims; it knows no mathematics."""
