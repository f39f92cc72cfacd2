"""Distillation: the smaller network learns what the bigger one knows."""

from edgekit.distill.train import Distilled, Hooks, distill

__all__ = ["Distilled", "Hooks", "distill"]
