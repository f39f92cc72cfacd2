"""The width graph: units that are pruned together, and the surgery that removes them."""
