"""Prune, distill, export and prove neural networks for the device they will run on."""

__version__ = "0.1.0"
__all__ = ["__version__"]
