"""One-operator models, written for each runtime and timed on it."""
