"""Structured pruning: importance, sensitivity, the planner, sparsity and reconstruction."""
