"""The straight line from a trained network and a device to a bundle, and its stages."""
