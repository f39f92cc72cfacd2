"""Sessions of every runtime."""

from __future__ import annotations

from typing import Any

import numpy as np


def test_inference_leaves_the_bound_inputs_as_they_are(model: Any) -> None:
    """Timed inferences repeat on what was prepared once: each must see the same sample."""
    from edgekit.agent import runtimes
    from edgekit.agent.session import draw

    runtime, _ = runtimes.find(model.runtime)
    options = runtimes.settings(runtime, {})
    session = runtimes.open_model(runtime, str(model.path), 1, options)
    arrays = draw(session.inputs, 3)
    session.prepare(arrays)
    for _ in range(3):
        session.invoke()
        np.testing.assert_allclose(
            session.read()[0], model.reference(arrays[0]), rtol=1e-5, atol=1e-6
        )
