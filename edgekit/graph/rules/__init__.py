"""The rule table: what each ATen operator's output dimensions depend on, by operator."""

from edgekit.graph.propagate import Rule
from edgekit.graph.rules import (
    complex,
    contraction,
    elementwise,
    indexing,
    normalization,
    recurrent,
    scatter,
    shape,
)

RULES: dict[str, Rule] = {
    **complex.RULES,
    **contraction.RULES,
    **elementwise.RULES,
    **indexing.RULES,
    **normalization.RULES,
    **recurrent.RULES,
    **scatter.RULES,
    **shape.RULES,
}
