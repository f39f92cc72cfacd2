"""Pages in a real browser without a window: a device like any other."""
