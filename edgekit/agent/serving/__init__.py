"""The agent as a server: `infer`, `bench`, `info` and `serve` in an image."""
