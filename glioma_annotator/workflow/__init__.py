"""The use cases, free of Qt, torch and SQL."""
