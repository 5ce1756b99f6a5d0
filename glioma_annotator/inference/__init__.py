"""Networks, model folders, sliding window, post-processing."""
