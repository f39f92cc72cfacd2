"""The parts of a bundle for an application: one file, its tensors, the form of its answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from edgekit import tasks
from edgekit.agent.arrays import CHANNELS_LAST, of_network
from edgekit.errors import UsageError
from edgekit.package import box_steps
from edgekit.package.opened import Bundle
from edgekit.runtimes import registry
from edgekit.types import DEFAULT_TASK, RuntimeName

_IMAGE_CHANNELS = (1, 3)
_INTEGERS = ("int32", "int64")


class AppRuntime(Protocol):
    """A runtime as the applications of one kind have it."""

    @property
    def title(self) -> str:
        """Its name for users."""

    @property
    def version(self) -> str:
        """The pinned version of its package."""

    @property
    def dtypes(self) -> Sequence[str]:
        """Types of inputs and outputs that it takes."""

    @property
    def accelerators(self) -> Sequence[str]:
        """Processors that it computes on, the default first."""


R = TypeVar("R", bound=AppRuntime)


@dataclass(frozen=True, kw_only=True)
class Chosen(Generic[R]):
    """The file of a bundle that goes into the package, and what runs it."""

    artifact: Mapping[str, Any]
    runtime: R
    runtime_name: RuntimeName
    file: Path
    note: str = ""
    """Why it is not the bundle's own choice, and what of the bundle it lacks."""


def choose(
    bundle: Bundle,
    requested: str | None,
    known: Mapping[RuntimeName, R],
    host: str = "in browsers",
) -> Chosen[R]:
    """The artifact asked for, the bundle's choice, or the next that one of `known` runs.

    `host` is where that is. Raises `UsageError` where there is none, and for a network of texts
    and other inputs.
    """
    _refuse_beside_text(bundle)
    artifacts = {
        candidate["artifact"]["name"]: candidate["artifact"]
        for candidate in bundle.report["candidates"]
    }
    if requested is not None and requested not in artifacts:
        raise UsageError(
            f"The bundle has no artifact '{requested}'. It has: {', '.join(artifacts)}."
        )
    reasons = {
        name: _incompatibility(one, known, host) for name, one in artifacts.items()
    }
    own = str(bundle.manifest["model"]["artifact"])
    order = [requested] if requested else _preferred(bundle, artifacts)
    name = next((one for one in order if reasons[one] is None), None)
    if name is None:
        listed = "; ".join(f"{one}: {reasons[one]}" for one in order)
        raise UsageError(f"No file of the bundle runs {host} ({listed}).")
    artifact = artifacts[name]
    runtime = registry.get(artifact["runtime"]).format
    return Chosen(
        artifact=artifact,
        runtime=known[runtime],
        runtime_name=runtime,
        file=bundle.folder / artifact["files"][0],
        note="; ".join(_notes(bundle, None if requested else reasons[own], own)),
    )


def _notes(bundle: Bundle, reason: str | None, own: str) -> Iterator[str]:
    """Why the file is not the bundle's own choice, and that its decoder stays behind."""
    if reason is not None:
        yield f"{own}: {reason}"
    if bundle.code is not None:
        yield (
            f"it returns the network's outputs: {bundle.code} of the bundle, which finds boxes "
            "in them, is Python"
        )


def facts(bundle: Bundle, chosen: Chosen[R]) -> dict[str, Any]:
    """The contract of the package as JSON."""
    contract = bundle.manifest["contract"]
    task = tasks.of(contract.get("task", DEFAULT_TASK))
    folded = contract.get("folded") or {}
    axis = folded.get("axis", task.class_axis)
    return {
        "name": bundle.name,
        "artifact": chosen.artifact["name"],
        "precision": chosen.artifact["precision"],
        "runtime": f"{chosen.runtime.title} {chosen.runtime.version}",
        "accelerators": list(chosen.runtime.accelerators),
        "task": contract.get("task", DEFAULT_TASK),
        "form": _form(task, contract, chosen.artifact),
        "axis": axis,
        "postprocess": folded.get("postprocess"),
        "labels": contract["labels"],
        "reads": list(contract.get("reads") or ()),
        "decoder": _decoder(contract, chosen.artifact),
        "inputs": _inputs(contract, chosen.artifact),
        "outputs": [_tensor(one) for one in chosen.artifact["outputs"]],
        "model": {
            "file": f"model{chosen.file.suffix}",
            "bytes": chosen.file.stat().st_size,
            "integrity": integrity(chosen.file),
        },
        "text": _text(bundle),
    }


def _refuse_beside_text(bundle: Bundle) -> None:
    filled = (bundle.text or {}).get("inputs", ())
    given = [one["name"] for one in bundle.manifest["contract"].get("inputs", ())]
    beside = [name for name in given if filled and name not in filled]
    if beside:
        raise UsageError(
            f"Such a package takes a text alone, and the network takes {', '.join(beside)} "
            "beside it. Serve it from an image: edgekit package --docker."
        )


def integrity(file: Path) -> str:
    """The hash of a file as browsers check it."""
    digest = hashlib.sha256(file.read_bytes()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _preferred(bundle: Bundle, artifacts: Mapping[str, Any]) -> list[str]:
    """The chosen artifact, then those of its precision, then the others; last those that lose more
    accuracy than the budget allows."""
    own = bundle.manifest["model"]
    same = [n for n, one in artifacts.items() if one["precision"] == own["precision"]]
    first = str(own["artifact"])
    over = _inaccurate(bundle) - {first}
    return sorted(dict.fromkeys([first, *same, *artifacts]), key=over.__contains__)


def _inaccurate(bundle: Bundle) -> set[str]:
    """Names of the files that lose more accuracy than the budget allows."""
    most = (bundle.report.get("budget") or {}).get("accuracy_drop")
    if most is None:
        return set()
    return {
        one["artifact"]["name"]
        for one in bundle.report["candidates"]
        if (one.get("accuracy_drop") or 0) > most
    }


def _incompatibility(
    artifact: Mapping[str, Any], known: Mapping[RuntimeName, R], host: str
) -> str | None:
    """Why no runtime of `host` runs an artifact, in words; `None` where one does."""
    name = registry.get(artifact["runtime"]).format
    if name not in known:
        return f"{name} does not run {host}"
    if len(artifact["files"]) != 1:
        return "it is of several files"
    taken = known[name].dtypes
    for tensor in (*artifact["inputs"], *artifact["outputs"]):
        if tensor["dtype"] not in taken:
            return f"{known[name].title} takes no {tensor['dtype']} ({tensor['name']})"
    return None


def _form(
    task: tasks.TaskDefinition,
    contract: Mapping[str, Any],
    artifact: Mapping[str, Any],
) -> str:
    """The form of an answer: a label, the classes of places, boxes, or the values alone."""
    several = len(artifact["outputs"]) > 1
    reads = len(contract.get("reads") or ())
    if task.located:
        decoded = contract.get("decoder") is not None
        return "boxes" if reads or not several or decoded else "values"
    if task.class_axis is None or (several and reads != 1):
        return "values"
    return "label" if task.labels_samples else "classes"


def _decoder(
    contract: Mapping[str, Any], artifact: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The steps from outputs to boxes; `None` where the bundle has no decoder of ours."""
    how = contract.get("decoder")
    if how is None:
        return None
    shapes = {one["name"]: one["shape"] for one in artifact["outputs"]}
    reads = contract.get("reads") or list(shapes)[:1]
    labels = contract["labels"]
    return box_steps.of(
        how, [shapes[name] for name in reads], None if labels is None else len(labels)
    )


def _inputs(
    contract: Mapping[str, Any], artifact: Mapping[str, Any]
) -> list[dict[str, Any]]:
    alone = contract["preprocessing"]
    prepared = [
        one.get("preprocessing") or alone for one in contract.get("inputs", ())
    ] or [alone]
    text = contract.get("text") is not None
    return [
        _input(tensor, None if text else how)
        for tensor, how in zip(artifact["inputs"], prepared, strict=True)
    ]


def _input(tensor: Mapping[str, Any], how: Mapping[str, Any] | None) -> dict[str, Any]:
    network = of_network(tensor["shape"][1:], tensor.get("layout"))
    channels = network[0] if network else 0
    steps = ("scale", "mean", "std", "color", "resize")
    fit = (how or {}).get("fit", "stretch")
    image = (
        how is not None
        and len(network) == 3
        and (channels in _IMAGE_CHANNELS or bool(how.get("color")))
    )
    return {
        **_tensor(tensor),
        "network": list(network),
        "channelsLast": tensor.get("layout") == CHANNELS_LAST,
        "image": image,
        "integers": how is None or (tensor["dtype"] in _INTEGERS and not image),
        "preprocessing": None
        if how is None
        else {**{name: how[name] for name in steps}, "fit": fit},
    }


def _tensor(tensor: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tensor.get(name) for name in ("name", "shape", "dtype", "quantization")
    }


def _text(bundle: Bundle) -> dict[str, Any] | None:
    if bundle.text is None:
        return None
    file = bundle.folder / str(bundle.text["tokenizer"])
    return {**bundle.text, "integrity": integrity(file)}
