"""The cheapest choice of float and int8, against every choice there is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from edgekit.runtimes.mixed_precision import Conversions, Material, Step, choose

CONVERSIONS = Conversions(
    to_int8={0: Path("to-0"), 100: Path("to-100")},
    to_float={0: Path("from-0"), 100: Path("from-100")},
)
TIMES = {Path("to-0"): 0.0, Path("from-0"): 0.0}
TIMES |= {Path("to-100"): 200.0, Path("from-100"): 100.0}
"""A value takes 2 us to int8 and 1 us back."""


def step(number: int, *takes: int, kind: str = "ADD", int8: bool = True) -> Step:
    return Step(
        names=(f"step {number}",),
        kind=kind,
        takes=takes,
        gives=(number,),
        in_float=Path(f"float-{number}"),
        in_int8=Path(f"int8-{number}") if int8 else None,
    )


def network(*steps: Step, sizes: dict[int, int], outputs: set[int]) -> Material:
    return Material(
        steps=steps,
        sizes=sizes,
        ends=frozenset({0} | outputs),
        conversions=CONVERSIONS,
    )


def cost(material: Material, times: dict[Path, float], floats: set[str]) -> float:
    """By walking along the network, a conversion for each tensor that is read in another form."""
    form = {0: True}
    total = 0.0
    converted = set()
    for one in material.steps:
        own = one.in_int8 is None or one.names[0] in floats
        total += times[one.in_float if own or one.in_int8 is None else one.in_int8]
        for tensor in one.takes:
            if form[tensor] != own:
                converted.add(tensor)
        form[one.gives[0]] = own
    converted |= {end for end in material.ends if not form[end]}
    rates = (2.0, 1.0)
    return total + sum(rates[not form[t]] * material.sizes[t] for t in converted)


@pytest.mark.parametrize("seed", range(12))
def test_no_other_choice_costs_less(seed: int) -> None:
    chance = np.random.default_rng(seed)
    steps = [
        step(n, *chance.choice(n, size=min(n, 2), replace=False), int8=n != 4)
        for n in range(1, 8)
    ]
    sizes = {number: int(chance.integers(1, 6)) for number in range(8)}
    material = network(*steps, sizes=sizes, outputs={6, 7})
    times = TIMES | {
        Path(f"{form}-{n}"): float(chance.uniform(1, 20))
        for form in ("float", "int8")
        for n in range(1, 8)
    }
    found = cost(material, times, set(choose(material, times).in_float))
    names = [one.names[0] for one in steps]
    least = min(
        cost(material, times, set(some))
        for count in range(len(names) + 1)
        for some in itertools.combinations(names, count)
    )
    assert found == pytest.approx(least)


def test_what_is_slower_in_int8_is_named_with_its_time() -> None:
    steps = [step(1, 0, kind="CONV_2D"), step(2, 1, kind="HARD_SWISH")]
    steps += [step(3, 2, kind="HARD_SWISH"), step(4, 3, kind="CONV_2D")]
    material = network(*steps, sizes=dict.fromkeys(range(5), 1), outputs={4})
    times = TIMES | {Path(f"float-{n}"): 10.0 for n in (1, 4)}
    times |= {Path(f"int8-{n}"): 3.0 for n in (1, 4)}
    times |= {Path(f"float-{n}"): 1.0 for n in (2, 3)}
    times |= {Path(f"int8-{n}"): 30.0 for n in (2, 3)}
    found = choose(material, times)
    assert found.in_float == ("step 2", "step 3")
    [slow] = found.slow
    assert (slow.kind, slow.count, slow.us) == ("HARD_SWISH", 2, 58.0)


def test_damage_counts_as_time_of_the_int8_form() -> None:
    steps = [step(n, n - 1, kind="CONV_2D") for n in (1, 2, 3)]
    material = network(*steps, sizes=dict.fromkeys(range(4), 1), outputs={3})
    times = TIMES | {Path(f"float-{n}"): 20.0 for n in (1, 2, 3)}
    times |= {Path(f"int8-{n}"): 10.0 for n in (1, 2, 3)}
    assert choose(material, times).in_float == ()
    # Alone in float it costs 10 us and two conversions more, at an end one conversion less.
    assert choose(material, times, {"step 2": 12.9}).in_float == ()
    assert choose(material, times, {"step 2": 13.1}).in_float == ("step 2",)
    assert choose(material, times, {"step 3": 11.1}).in_float == ("step 3",)


def test_a_network_of_no_operators_has_none_in_float() -> None:
    assert choose(network(sizes={0: 1}, outputs={0}), dict(TIMES)).in_float == ()
