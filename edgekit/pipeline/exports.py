"""The student's files, each with its contract inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import edgekit
from edgekit.export.publish import complete_files
from edgekit.export.quantization_accuracy import Validation
from edgekit.package import bundle
from edgekit.pipeline import compatibility, left_out, variants
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.io_fusion import artifact_inputs, left_over
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.samples import BuildData
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program
from edgekit.runtimes.contract import embed
from edgekit.types import Artifact, Precision, Target
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
            samples=samples,
            validation=variants.validation(project, artifact_inputs(samples)),
            facts={
                "edgekit": edgekit.__version__,
                "source_sha256": loaded.teacher.fingerprint(),
                "name": project.name,
            },
            folder=folder / "candidates",
        )

    def candidates(self, student: Program) -> left_out.Exports:
        """The student in every form that the target takes; the rest is left out by name."""
        requested = variants.requested(
            student, self.allowed.runtimes, self.target, self.precisions
        )
        given = artifact_inputs(self.samples)
        made = left_out.export(
            self.exporter,
            folded(student, self.samples.folding),
            [each for each in requested if each[:2] not in self.allowed.refused],
            self.folder,
            title="Export the student",
            calibration=given.calibration,
            labels=self.samples.labels,
            validation=self.validation,
        )
        self._describe(made.artifacts)
        return replace(made, notes=(*made.notes, *tail_notes(student, made.artifacts)))

    def in_int8(self, student: Program) -> left_out.Exports:
        """A student trained with int8's rounding; nothing may be left of it."""
        given, refused = artifact_inputs(self.samples), self.allowed.refused
        made = left_out.export(
            self.exporter,
            folded(student, self.samples.folding),
            [(r, "int8") for r in self.allowed.runtimes if (r, "int8") not in refused],
            self.folder / "aware",
            title="Export the student in int8 again",
            calibration=given.calibration,
            labels=self.samples.labels,
            validation=self.validation,
            required=False,
        )
        self._describe(made.artifacts)
        return made

    def _describe(self, made: Sequence[Artifact]) -> None:
        """Let each file carry its own contract."""
        for artifact in made:
            described = bundle.described(contract(self.samples, artifact))
            own = {"precision": artifact.precision}
            embed(artifact.files[0], {**described, **self.facts, **own})


def tail_notes(student: Program, made: Sequence[Artifact]) -> tuple[TailLeftOut, ...]:
    """The note of runtimes whose files lack the operators behind the network's outputs."""
    lacking = (a.runtime for a in made if not complete_files(a.files)[0].is_file())
    without = tuple(dict.fromkeys(lacking))
    if student.tail is None or not without:
        return ()
    return (TailLeftOut(runtimes=without, outputs=student.outputs),)


def contract(samples: BuildData, artifact: Artifact) -> bundle.IOContract:
    """The contract of an artifact: its inputs, outputs, preprocessing and labels."""
    return bundle.IOContract(
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        preprocess=left_over(samples),
        labels=samples.labels,
        task=samples.kind,
        folding=samples.folding,
    )
