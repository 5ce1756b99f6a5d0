"""Evaluation of masks and models over many cases."""
