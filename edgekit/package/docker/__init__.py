"""Docker images of a bundle, one a platform and runtime."""
