"""Claims of Section 5: what a kernel can select."""
