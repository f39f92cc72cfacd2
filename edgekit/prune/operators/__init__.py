"""The rule table: what each ATen operator's output dimensions depend on, by operator."""

from edgekit.prune.operators import (
    complex,
    contraction,
    elementwise,
    indexing,
    normalisation,
    recurrent,
    scatter,
    shape,
)
from edgekit.prune.propagate import Rule

RULES: dict[str, Rule] = {
    **complex.RULES,
    **contraction.RULES,
    **elementwise.RULES,
    **indexing.RULES,
    **normalisation.RULES,
    **recurrent.RULES,
    **scatter.RULES,
    **shape.RULES,
}
