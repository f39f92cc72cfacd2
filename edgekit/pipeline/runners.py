"""Exports and timings in fresh processes, as one build asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.bench.protocol import Metering, measure
from edgekit.devices import Device
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Failure, Variant, export_all
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.types import Artifact, Measurement


@dataclass(frozen=True, kw_only=True)
class ExportRunner:
    """Exports networks for one target."""

    target: str
    progress: Progress
    channels_last: bool = False
    """True where LiteRT's files take images with their channels last."""

    @classmethod
    def of(cls, request: BuildRequest, env: Environment) -> ExportRunner:
        """As the recipe asks for it."""
        return cls(
            target=request.target.name,
            progress=env.progress,
            channels_last=request.project.recipe.export.litert_layout == "nhwc",
        )

    def export(  # noqa: PLR0913
        self,
        program: Program,
        requested: Sequence[Variant],
        folder: Path,
        *,
        title: str,
        calibration: Feeds | None = None,
        labels: tuple[str, ...] = (),
        validation: Validation | None = None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> list[Artifact]:
        """Export `program` in every form `requested`, in processes of their own, with LiteRT's
        files in the layout that the recipe asks for; see `export_all`."""
        folder.mkdir(parents=True, exist_ok=True)
        done: list[str] = []
        with self.progress.step(title) as step:

            def on_done(name: str) -> None:
                done.append(name)
                step.update(len(done), len(requested), name)

            return export_all(
                program,
                requested,
                calibration=calibration,
                folder=folder,
                labels=labels,
                validation=validation,
                channels_last=self.channels_last,
                on_done=on_done,
                on_failure=on_failure,
            )


@dataclass(frozen=True, kw_only=True)
class BenchRunner:
    """Times artifacts on one device."""

    device: Device
    progress: Progress
    tier: str
    threads: int

    @classmethod
    def of(cls, request: BuildRequest, env: Environment) -> BenchRunner:
        """With the recipe's tier and threads."""
        return cls(
            device=env.device,
            progress=env.progress,
            tier=request.project.recipe.bench.tier,
            threads=request.threads,
        )

    @property
    def proven(self) -> bool:
        """Return whether timings taken here are the target's own."""
        return self.device.provenance == "device"

    def measure(
        self, artifacts: Sequence[Artifact], title: str, tier: str | None = None
    ) -> dict[str, Measurement]:
        """Time artifacts in fresh processes, interleaved: one run, comparable figures.

        Where `tier` is the recipe's own, energy is measured too, if there is a meter.
        """
        with self.progress.step(title) as step:
            return measure(
                artifacts,
                self.device,
                tier=tier or self.tier,
                threads=self.threads,
                on_launch=step.update,
                metering=Metering(meter="none" if tier else "auto"),
            )
