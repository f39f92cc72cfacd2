"""The student's files, each with its contract inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import edgekit
from edgekit.export.publish import complete_files
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Variant, artifact_name, conversions_for
from edgekit.package import bundle
from edgekit.pipeline import compatibility, left_out, variants
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.io_fusion import artifact_inputs, left_over
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.qat import SUFFIX
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.samples import BuildData
from edgekit.pipeline.stage_records import copy_files
from edgekit.program.io_fusion import folded
from edgekit.program.named_outputs import Reads
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.runtimes.contract import embed
from edgekit.types import Artifact, Precision, RuntimeName, Target
from edgekit.types.export_notes import TailLeftOut


@dataclass(frozen=True, kw_only=True)
class StudentExports:
    """Export of students: each file with its contract inside."""

    exporter: ExportRunner
    allowed: compatibility.Compatibility
    target: Target
    precisions: Sequence[Precision] | None
    """Those that the recipe names."""
    samples: BuildData
    validation: Validation
    facts: Mapping[str, str]
    """Provenance that every file carries."""
    folder: Path
    converters: tuple[RuntimeName, ...] = ()
    """Runtimes whose files are converted and not run."""
    mixed: bool = False
    """True where int8 and float are mixed wherever a runtime can."""
    made: dict[tuple[str, Variant], Artifact] = field(default_factory=dict)
    """Files of this build by network and form: what was judged is not exported again."""

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        loaded: Loaded,
        allowed: compatibility.Compatibility,
        folder: Path,
    ) -> StudentExports:
        """As the recipe asks for it, into the bundle's `folder`."""
        project, samples = request.project, loaded.samples
        return cls(
            exporter=ExportRunner.of(request, env),
            allowed=allowed,
            target=env.observed(request.target),
            precisions=project.recipe.export.precisions,
            mixed=project.recipe.prune.precision == "mixed",
            samples=samples,
            validation=variants.validation(
                project, artifact_inputs(samples), loaded.teacher.reads
            ),
            facts={
                "edgekit": edgekit.__version__,
                "source_sha256": loaded.original.teacher.fingerprint(),
                "name": project.name,
            },
            folder=folder / "candidates",
            converters=registry.converted(
                project.recipe.export.runtimes or request.target.runtimes
            ),
        )

    def candidates(self, student: Program) -> left_out.Exports:
        """The student in every form that the target takes; the rest is left out by name."""
        requested = self.requested(student)
        made = self.export(student, requested, self.folder, title="Export the student")
        return replace(made, notes=(*made.notes, *tail_notes(student, made.artifacts)))

    def converted(self, student: Program) -> left_out.Exports:
        """The student for the runtimes that run nowhere here, in every precision."""
        variants = conversions_for(self.converters)
        if not variants:
            return left_out.Exports(artifacts=[])
        made = left_out.export(
            self.exporter,
            folded(student, self.samples.folding),
            variants,
            self.folder,
            title="Convert the student",
            labels=self.samples.labels,
            required=False,
        )
        self._describe(made.artifacts)
        return made

    def in_int8(self, student: Program) -> left_out.Exports:
        """A student trained with int8's rounding; nothing may be left of it."""
        refused = self.allowed.refused
        again = replace(self, exporter=self.exporter.after_rounding(SUFFIX))
        return again.export(
            student,
            [(r, "int8") for r in self.allowed.runtimes if (r, "int8") not in refused],
            self.folder / "aware",
            title="Export the student in int8 again",
            required=False,
        )

    def requested(self, network: Program) -> list[Variant]:
        """Every form that the target takes a network in."""
        requested = variants.requested(
            network,
            self.allowed.runtimes,
            self.target,
            self.precisions,
            mixed=self.mixed,
        )
        found = [each for each in requested if each[:2] not in self.allowed.refused]
        settled = self.exporter.settled
        return [o for o in found if not settled or artifact_name(*o) in settled]

    def export(
        self,
        network: Program,
        requested: Sequence[Variant],
        folder: Path,
        *,
        title: str,
        required: bool = True,
    ) -> left_out.Exports:
        """A network in the forms `requested`; the rest is left out by name.

        Files that this build made before are copied.
        """
        name = network.fingerprint()
        known = {
            each: self.made[name, each]
            for each in requested
            if (name, each) in self.made and _there(self.made[name, each])
        }
        missing = [each for each in requested if each not in known]
        found = left_out.Exports(artifacts=[])
        if missing:
            found = left_out.export(
                self.exporter,
                folded(network, self.samples.folding),
                missing,
                folder,
                title=title,
                calibration=artifact_inputs(self.samples).calibration,
                labels=self.samples.labels,
                validation=self.validation,
                required=required and not known,
            )
            self._describe(found.artifacts)
        by_name = {one.name: one for one in found.artifacts}
        artifacts = []
        for each in requested:
            one = by_name.get(artifact_name(*each))
            if each in known:
                one = copy_files(known[each], folder)
            if one is not None:
                self.made[name, each] = one
                artifacts.append(one)
        return replace(found, artifacts=artifacts)

    def _describe(self, made: Sequence[Artifact]) -> None:
        """Let each file carry its own contract."""
        for artifact in made:
            agreed = contract(self.samples, artifact, self.validation.reads)
            described = bundle.described(agreed)
            own = {"precision": artifact.precision}
            embed(artifact.files[0], {**described, **self.facts, **own})


def tail_notes(student: Program, made: Sequence[Artifact]) -> tuple[TailLeftOut, ...]:
    """The note of runtimes whose files lack the operators behind the network's outputs."""
    lacking = (a.runtime for a in made if not complete_files(a.files)[0].is_file())
    without = tuple(dict.fromkeys(lacking))
    if student.tail is None or not without:
        return ()
    return (TailLeftOut(runtimes=without, outputs=student.outputs),)


def _there(artifact: Artifact) -> bool:
    return all(file.is_file() for file in artifact.files)


def contract(samples: BuildData, artifact: Artifact, reads: Reads) -> bundle.IOContract:
    """The contract of an artifact: its inputs, outputs, preprocessing and labels."""
    decoder = samples.decoder_file
    return bundle.IOContract(
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        reads=tuple(artifact.outputs[number].name for number in reads),
        preprocess=left_over(samples),
        labels=samples.labels,
        task=samples.kind,
        folding=samples.folding,
        text=None if samples.text is None else samples.text.contract,
        decoder=samples.decoder,
        decoder_code=None if decoder is None else decoder.contract,
    )
