"""The parts of the right-hand dock."""
