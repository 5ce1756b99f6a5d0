"""Which file is what, judged by names alone: naming conventions of public data sets, else words in the names."""
