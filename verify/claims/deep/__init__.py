"""Claims of depth: the kernel machine inside a trained Transformer."""
