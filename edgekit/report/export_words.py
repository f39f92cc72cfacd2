"""The sentences of what came of a network's files: left out, quantized, tried, removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from edgekit import tasks
from edgekit.report.measurement_words import taken_shown
from edgekit.runtimes import registry
from edgekit.types import DEFAULT_TASK, QuantResult, RuntimeOptions, SlowInInt8
from edgekit.types import export_notes as kinds
from edgekit.types.export_notes import (
    ExportNote,
    Incompatibility,
    LeftOut,
    OptionTrial,
    ParityFault,
)

_LAYERS_NAMED = 4
_NO_LAYER = "the network's own forward()"


def export_words(note: ExportNote) -> str:
    """The words of a note about files, in one line without a full stop."""
    match note:
        case kinds.LeftOut():
            return f"{note.name} is left out: {refusals(note)}"
        case kinds.PlannedRuntime():
            return f"the plan is for {note.runtime} instead of {note.instead_of}"
        case kinds.RuntimeSubstituted():
            known = registry.known().get(note.ran)
            return (
                f"{known.title if known else note.ran} of this machine ran the files in the "
                f"place of {note.runtime}"
            )
        case kinds.ComparedOnHost():
            return (
                "int8 and fp32 were compared on this machine; the winner can differ on "
                f"{note.target}"
            )
        case kinds.IOFused():
            return _fused(note)
        case kinds.TailLeftOut() | kinds.DecoderLeftOut():
            return _left_to_application(note)
        case kinds.QuantizationSearched():
            return f"{note.artifact} {quantized(note.result)}"
        case kinds.NotCompeting():
            return f"does not compete: {fault(note.artifacts[0], note.fault)}"
        case kinds.RuntimeOptionsTried():
            return _options_tried(note)
        case kinds.OtherBytes():
            return (
                f"the bytes of {', '.join(note.files)} are not those of the lock file: "
                f"{' and '.join(note.machine)} of this machine differ"
            )
        case kinds.TimesReused():
            return (
                f"{note.measurements} times were measured "
                f"{taken_shown(note.taken, note.device)} and reused: files, runtimes and "
                "machine are the same"
            )
        case other:
            assert_never(other)


def _left_to_application(note: kinds.TailLeftOut | kinds.DecoderLeftOut) -> str:
    if isinstance(note, kinds.DecoderLeftOut):
        return (
            f"{note.function} does not run on a device, where its file is alone with NumPy "
            f"({note.reason}): infer and serve return the network's outputs"
        )
    return (
        f"{' and '.join(note.runtimes)} files end at {', '.join(note.outputs)}; the "
        "operators of the network's own file behind them are left to the application"
    )


def _fused(note: kinds.IOFused) -> str:
    fusion, parts = note.fusion, []
    if fusion.preprocess is not None:
        parts.append(f"take raw {fusion.dtype} values and prepare them themselves")
    named = [f"raw {one.dtype} values of {one.name}" for one in fusion.inputs]
    if named:
        parts.append(f"take {' and '.join(named)} and prepare them themselves")
    if fusion.postprocess is not None:
        parts.append(f"end in {fusion.postprocess}")
    return (
        f"files {' and '.join(parts)}; the unpruned network was timed without what is fused "
        "into the files"
    )


# --- left out ---------------------------------------------------------------------------------


def refusals(note: LeftOut) -> str:
    """The first reason, and how many more there are."""
    first, *others = note.refusals
    return f"{incompatibility(first)}{f' ({len(others)} more)' if others else ''}"


def reasons(notes: Iterable[LeftOut]) -> str:
    """Why several are left out, each reason once, as sentences."""
    lines = dict.fromkeys(map(refusals, notes))
    return " ".join(line if line.endswith((".", ")")) else f"{line}." for line in lines)


def incompatibility(found: Incompatibility) -> str:
    """Why a file cannot be made or run, the layer that needs it, and the fix."""
    reason = incompatibility_cause(found).rstrip(".")
    if found.fix is None:
        return reason
    layer = found.layer or _NO_LAYER
    return f"{reason}; layer '{layer}' needs it. {_fix(found)}"


def incompatibility_cause(found: Incompatibility) -> str:
    """Why a file cannot be made or run."""
    match found.cause:
        case "operator_missing":
            return f"{found.by} has no {found.operator}"
        case "operator_too_new":
            return (
                f"{found.by} reads {found.operator} up to version {found.supported}, and "
                f"this is version {found.version}"
            )
        case "opset_too_new":
            what = (
                f"{found.operator} is of" if found.operator else "the file is of ONNX"
            )
            return f"{what} opset {found.version}; {found.by} reads {found.supported}"
        case "shape_dynamic":
            return (
                f"{found.operator} gives a shape that depends on values, and {found.by} takes "
                "static shapes only"
            )
        case "operator_in_float":
            return (
                f"{found.operator} stays in float, and {found.by} computes in int8 only"
            )
        case "type_not_taken":
            return f"{found.by} takes no {found.detail or 'such type'}"
        case "file_rejected":
            return f"{found.by} refuses the file ({(found.detail or '').rstrip('.')})"
        case "operator_not_exportable":
            return f"{found.operator} cannot be written ({(found.detail or '').rstrip('.')})"
        case "conversion_failed" | "export_failed":
            return found.detail or f"{found.by} cannot write the file"


def _fix(found: Incompatibility) -> str:
    text = {
        None: "",
        "rewrite_layer": "Write that layer with other operators",
        "replace_scatter": "Write torch.scatter as indexing, a mask or a concatenation",
        "sort_in_application": "Leave sort and topk to the application, after the network",
        "constant_size": "Make that size a constant",
        "newer_runtime": "Update its ONNX Runtime, or choose another of its runtimes",
        "exclude_runtime": "Every operator alone is written: write it with other operators, "
        f"or leave {found.by} out of [recipe.export] runtimes",
    }[found.fix]
    if found.or_64_bit:
        text += ", or build for the board's 64-bit system, whose runtime is newer"
    return f"{text}."


# --- quantization -----------------------------------------------------------------------------


def quantized(found: QuantResult) -> str:
    """Loss of a quantized file, its recovery, and its layers in float."""
    if found.accuracy_drop is None:
        return "was not judged: there were no validation samples"
    lost = f"loses {_points(found.accuracy_drop)} of {found.metric} on {found.samples} samples"
    parts = [lost, *_recovery(found)]
    if found.slow:
        parts.append(f"in float, where int8 is slower: {_slow(found.slow)}")
    if found.quant_config.float_tail:
        parts.append("what joins its outputs, in different units, stays in float")
    if found.quant_config.float_front:
        parts.append("the features of recordings stay in float")
    if found.missed is not None:
        count = len(found.trials)
        tried = "1 configuration" if count == 1 else f"{count} configurations"
        parts.append(
            f"{tried} tried, none held: training has to recover {_points(found.missed)}"
        )
    if found.without_equalization is not None:
        before = quantized(found.without_equalization)
        parts.append(f"channels were brought to equal ranges first; without: {before}")
    return "; ".join(parts)


def _slow(found: Sequence[SlowInInt8]) -> str:
    """The kinds that stay in float, and by how much longer they would take."""
    kinds = [
        f"{one.count} {one.kind}" + ("" if one.us is None else f" ({one.us:.0f} us)")
        for one in found[:_LAYERS_NAMED]
    ]
    more = len(found) - len(kinds)
    return ", ".join(kinds) + (f" and {more} kinds more" if more > 0 else "")


def _recovery(found: QuantResult) -> list[str]:
    """By what the kept configuration differs from the plain one, which was tried first."""
    plain, quant_config = found.trials[0], found.quant_config
    if quant_config == plain.quant_config or plain.accuracy_drop is None:
        return []
    parts = [f"{_points(plain.accuracy_drop)} with {plain.quant_config.ranges} ranges"]
    if quant_config.ranges != plain.quant_config.ranges:
        parts.append(f"ranges by {quant_config.ranges}")
    if quant_config.float_layers:
        named = ", ".join(quant_config.float_layers[:_LAYERS_NAMED])
        more = len(quant_config.float_layers) - _LAYERS_NAMED
        parts.append(f"kept in float: {named}{f' and {more} more' if more > 0 else ''}")
    spared = len(quant_config.float_operators) - len(plain.quant_config.float_operators)
    if spared > 0:
        parts.append(f"{spared} operators more in float")
    return parts


def _points(lost: float) -> str:
    return f"{lost * 100:.2f} points"


# --- files that are not their network ---------------------------------------------------------


_BROKEN = (
    'Quantization broke it: leave it out with [recipe.export] precisions = ["fp32"]'
)


def fault(artifact: str, found: ParityFault) -> str:
    """By what a file is not its network, and the fix."""
    fix = _FIXES.get(found.measure)
    text = departure(artifact, found)
    return text if fix is None else f"{text}. {fix}"


_FIXES = {
    "relative_error": "The file is not the network: leave its runtime out with "
    "[recipe.export] runtimes",
    "agreement": _BROKEN,
    "explained": _BROKEN,
}


def departure(artifact: str, found: ParityFault) -> str:
    """By what a file is not its network."""
    match found.measure:
        case "shape":
            ours, theirs = found.shapes
            return f"{artifact} returns {ours} where the network returns {theirs}"
        case "relative_error":
            if found.value is None:
                return f"{artifact} gives values that are not finite, and the network does not"
            return (
                f"{artifact} differs from the network by {found.value:.2g} of its "
                f"largest output on {found.samples} samples, {found.limit:g} allowed"
            )
        case "agreement" | "explained":
            return (
                f"{artifact} {_short(found)} on {found.samples} samples, {found.limit:.0%} at "
                "least"
            )
        case "metric":
            return (
                f"{artifact} has a {found.metric} of {_number(found.value)} on {found.samples} "
                "samples: it answers nothing that can be scored"
            )
        case "runtime":
            return (found.detail or f"{artifact} cannot be run").rstrip(".")


def _short(found: ParityFault) -> str:
    if found.measure == "agreement":
        what = tasks.of(found.task or DEFAULT_TASK).decisions
        return f"decides as the network does on {found.value:.1%} of {what}"
    return f"has {found.value:.1%} of the variance of the network's outputs"


def _number(value: float | None) -> str:
    return "a value that is not finite" if value is None else f"{value:.2g}"


# --- the runtime's options --------------------------------------------------------------------


def _options_tried(note: kinds.RuntimeOptionsTried) -> str:
    if not note.trials:
        return f"{note.artifact}: no runtime options compared within {note.limit_s:g} s"
    tried = ", ".join(map(_trial, note.trials))
    return (
        f"{note.artifact}: runtime options tried: {tried}; {options(note.kept)} is kept"
    )


def _trial(trial: OptionTrial) -> str:
    name, ratio = options(trial.options), trial.time_ratio
    if ratio is None:
        return f"{name} is refused"
    if ratio < 1:
        return f"{name} is {1 / ratio:.2f}x faster than the default"
    return f"{name} is {ratio:.2f}x slower than the default"


def options(given: RuntimeOptions) -> str:
    """A runtime's options as they are given to it."""
    parts = [f"{name}={value}" for name, value in given.options.items()]
    if given.threads:
        parts.append(f"threads={given.threads}")
    return ", ".join(parts) or "the default"
