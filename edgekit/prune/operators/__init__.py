"""The rule table: what each ATen operator's output dimensions depend on, by operator."""

from edgekit.prune.operators import (
    contraction,
    elementwise,
    indexing,
    normalisation,
    recurrent,
    shape,
)
from edgekit.prune.propagate import Rule

RULES: dict[str, Rule] = {
    **contraction.RULES,
    **elementwise.RULES,
    **indexing.RULES,
    **normalisation.RULES,
    **recurrent.RULES,
    **shape.RULES,
}
