"""A page for each target, runtime and task, from their records."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from edgekit import plugins, tasks
from edgekit.config import targets
from edgekit.runtimes import registry
from edgekit.runtimes.record import Runtime, package_of
from edgekit.tasks import TaskDefinition
from edgekit.types import Target
from tools.doc_pages.markdown import bullets, page, prose, table

_FEATURES = {
    "exporter": "writes files",
    "quantizer": "quantizes them",
    "microbenchmark": "times single operators for the plan",
    "graph_reader": "`edgekit diff` goes through its files layer by layer",
    "operators": "the operators of each release are known",
    "completion": "operators behind the network are put back into its files",
    "apple": "beside LiteRT's file in `edgekit package --ios`",
    "web": "runs in browsers: `edgekit package --web`, `--device browser`",
}
"""Modules of a runtime's folder, and what a user has from each."""
_OF_THIS_MACHINE = "this machine's own"


def pages() -> Iterator[tuple[str, str]]:
    """File name below `docs/` and text of each page."""
    yield from _targets()
    yield from _runtimes()
    yield from _tasks()


def _index(
    room: str, title: str, text: str, rows: Iterable[tuple[str, str]]
) -> tuple[str, str]:
    linked = [(f"[`{name}`]({name}.md)", what) for name, what in rows]
    return f"{room}/index.md", page(title, text, table(("name", ""), linked))


def _targets() -> Iterator[tuple[str, str]]:
    known = targets.known()
    for target in known:
        yield f"targets/{target.name}.md", _target(target)
    yield _index(
        "targets",
        "Targets",
        "A target is the profile of a device: processor, memory, runtimes, precisions, power. "
        "`edgekit targets` lists them; a board of your own is a file `targets/NAME.toml` beside "
        "your project ([how](../extending.md#a-board)).",
        ((target.name, target.description) for target in known),
    )


def _target(target: Target) -> str:
    own = target.cpu == "host"
    power = target.power
    watts = ""
    if power.idle_w is not None and power.load_w is not None:
        watts = (
            f"{power.idle_w:g} W idle, {power.load_w:g} W under load, of the {power.boundary} "
            f"({power.provenance})"
        )
    rows = [
        ("other names", ", ".join(f"`{name}`" for name in target.aliases)),
        ("architecture", _OF_THIS_MACHINE if own else target.arch),
        ("core", _OF_THIS_MACHINE if own else target.cpu),
        ("instruction sets", _OF_THIS_MACHINE if own else ", ".join(target.isa)),
        ("cores", "" if own else str(target.cores)),
        ("threads of a model", str(target.threads)),
        ("memory", "" if own or target.ram_mb is None else f"{target.ram_mb} MiB"),
        ("runtimes, the preferred first", _linked(target.runtimes, "runtimes")),
        ("precisions", ", ".join(target.precisions)),
        ("widths go in steps of", _pairs(target.channel_multiple)),
        ("bound to", _pairs(target.runtime_versions)),
        ("newest ONNX operator set", str(target.opset or "")),
        (
            "lacks",
            _pairs({k: ", ".join(v) for k, v in target.missing_operators.items()}),
        ),
        ("power", watts),
        ("image", "" if own else target.image),
    ]
    return page(
        target.name,
        f"{target.description}.",
        table(("", ""), [row for row in rows if row[1]]),
        bullets(target.notes),
        f"```sh\nedgekit build --target {target.name}\n```",
    )


def _runtimes() -> Iterator[tuple[str, str]]:
    known = registry.known()
    for name, runtime in known.items():
        yield f"runtimes/{name}.md", _runtime(runtime)
    yield _index(
        "runtimes",
        "Runtimes",
        "A runtime runs a network's file on the device. A build makes a file for every runtime "
        "of the target in every precision, measures them, and ships the fastest that keeps the "
        "budget. For one that runs on no machine here, files are converted and not run.",
        ((name, _doc(package_of(name))) for name, _ in known.items()),
    )


def _runtime(runtime: Runtime) -> str:
    by_target = [t.name for t in targets.known() if runtime.name in t.runtimes]
    format_of = "" if runtime.files_of is None else f"those of {runtime.files_of}"
    rows = [
        ("files", format_of or ", ".join(f"`{s}`" for s in runtime.suffixes)),
        ("precisions", ", ".join(runtime.precisions)),
        (
            "run by EdgeKit",
            "no: converted, and there is no figure of its files"
            if runtime.export_only
            else "",
        ),
        ("ranges of static int8, first choice first", ", ".join(runtime.ranges)),
        ("installed by", f"`{runtime.install}`"),
        ("release", runtime.version or "the newest"),
        ("wheels for Linux on", ", ".join(sorted(runtime.machines))),
        ("targets", _linked(by_target, "targets")),
        ("options that a build tries", ", ".join(map(_option, runtime.options))),
        ("int8 kernels slower than float ones", ", ".join(runtime.slow_in_int8)),
    ]
    features = [text for part, text in _FEATURES.items() if runtime.has(part)]
    return page(
        runtime.name,
        _doc(package_of(runtime.name)),
        table(("", ""), [row for row in rows if row[1]]),
        bullets(features),
    )


def _tasks() -> Iterator[tuple[str, str]]:
    known = plugins.records(tasks.__name__, TaskDefinition)
    for name, task in known.items():
        yield f"tasks/{name}.md", _task(name, task)
    yield _index(
        "tasks",
        "Tasks",
        "`[task] kind` selects the label format, the distillation loss, the metric, and the "
        "agreement that an artifact must reach. More about data, several inputs and outputs: "
        "[Your own network](../your-network.md#tasks).",
        ((name, _first(_doc(_task_module(name)))) for name in known),
    )


def _task(name: str, task: TaskDefinition) -> str:
    metrics = [f"`{metric}`" for metric in task.metrics]
    unknown = task.targets.unknown
    rows = [
        ("output", task.output or "as the network gives it"),
        (
            "metrics, the first by default",
            ", ".join(metrics) or "a function of yours: `metric`",
        ),
        ("metrics with a decoder, the first by default", _of_decoder(task)),
        ("an unknown target", "" if unknown is None else f"{unknown:g}"),
        ("a folder a class", "yes" if task.targets.class_folders else ""),
        ("masks beside images", "yes" if task.targets.masks else ""),
        ("without labels", _unlabeled(task)),
        ("images may be shifted in training", "yes" if task.shifts else "no"),
    ]
    return page(
        name,
        prose(_doc(_task_module(name))),
        table(("", ""), [row for row in rows if row[1]]),
        f'```toml\n[task]\nkind = "{name}"\n```',
        "Its keys: [`[task]`](../toml/task.md).",
    )


def _of_decoder(task: TaskDefinition) -> str:
    if task.box_metrics is None:
        return ""
    return ", ".join(f"`{metric}`" for metric in task.box_metrics(lambda outputs: ()))


def _unlabeled(task: TaskDefinition) -> str:
    if task.answered_by_network:
        return "the unpruned network's outputs are the targets"
    return "training needs none: soft targets are the teacher's"


def _task_module(name: str) -> str:
    return plugins.modules(tasks.__name__)[name].module


def _doc(module: str) -> str:
    return inspect.getdoc(importlib.import_module(module)) or ""


def _first(text: str) -> str:
    return text.partition("\n\n")[0]


def _linked(names: Iterable[str], room: str) -> str:
    return ", ".join(f"[{name}](../{room}/{name}.md)" for name in names)


def _pairs(values: Any) -> str:
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _option(option: Any) -> str:
    return ", ".join(f"`{key} = {value}`" for key, value in option.items())
