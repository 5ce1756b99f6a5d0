"""One window: viewer, panels, dialogs; the only package that knows Qt."""
