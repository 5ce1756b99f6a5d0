"""Frozen dataclasses and pure rules of the field; knows numpy only."""
