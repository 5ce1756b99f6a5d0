"""Glioma Annotator: follow glioma patients over time, on one's own workstation."""

__version__ = "0.1.0"
