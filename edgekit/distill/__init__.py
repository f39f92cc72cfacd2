"""Distillation: train the pruned student against the teacher."""

from edgekit.distill.train import Distilled, Hooks, distill

__all__ = ["Distilled", "Hooks", "distill"]
