"""Dialogs: import, mapping of label values, preferences, shortcuts, command palette."""
