"""Synthetic gliomas: shapes, contrasts, backgrounds and acquisition effects; knows numpy and scipy, not torch."""
