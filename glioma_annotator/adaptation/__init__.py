"""Training, the synthetic generator and adaptation of models."""
