"""What the left mouse button does over a pane."""
