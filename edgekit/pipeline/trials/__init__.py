"""A search over settings that no plan decides: resolution, recipe, budget."""
