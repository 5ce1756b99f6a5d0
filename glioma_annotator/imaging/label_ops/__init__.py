"""Pure operations on label arrays: what the editing tools compute."""
