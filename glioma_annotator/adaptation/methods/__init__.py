"""The ways to adapt a network; see `domain.adaptation.AdaptationMethod`."""
