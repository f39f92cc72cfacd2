"""Names of a folder's files that several modules read."""

CONFIG = "config.json"
