"""A page for every error: its id, which stays, what it means, and what to do.

`edgekit explain ID` prints one, and `docs/errors.md` has all of them: `python -m
edgekit.error_pages` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit import errors
from edgekit.errors import EdgeKitError


@dataclass(frozen=True, kw_only=True)
class Page:
    """One kind of error. Ids begin with E and the exit code."""

    id: str
    kind: type[EdgeKitError]
    means: str
    fixes: tuple[str, ...]
    """In the order in which to try them."""


def _page(id: str, kind: type[EdgeKitError], means: str, *fixes: str) -> Page:
    return Page(id=id, kind=kind, means=means, fixes=fixes)


PAGES: tuple[Page, ...] = (
    _page(
        "E0101",
        errors.BudgetError,
        "A limit is not kept: an artifact is over its budget, slower than the one it is "
        "compared with, or a gate's check fails.",
        "The line names the check, the figure and the limit.",
        "Raise the limit on purpose, or build a smaller network.",
    ),
    _page(
        "E0102",
        errors.BudgetInfeasible,
        "No network inside the budget exists on this target, found before any training.",
        "The line has the nearest budget that is possible: ask for that.",
        "Allow deeper cuts: lower [recipe.prune] min_keep.",
        "edgekit plan -t TARGET shows the whole frontier.",
    ),
    _page(
        "E0103",
        errors.BudgetMissed,
        "The network was built and measured, and is over the budget. The bundle is there, "
        "and its report has every network that was tried.",
        "Open report.html: it has the nearest budget that would have been kept.",
        "Give training more time: [recipe] minutes, [recipe.distill] epochs.",
    ),
    _page(
        "E0201",
        errors.UsageError,
        "The command, an option or a file that it names cannot be used.",
        "The line names the value; edgekit COMMAND --help has the options.",
    ),
    _page(
        "E0202",
        errors.ProjectError,
        "edgekit.toml has a fault: an unknown key, a value of another type, a table that "
        "is not closed.",
        "The line has the file, its line number, the key, the value and what it should be.",
        "edgekit init writes a commented file to compare with.",
    ),
    _page(
        "E0203",
        errors.TargetError,
        "There is no such target, or its file cannot be read.",
        "edgekit targets lists them; targets show NAME explains one.",
        "A board of your own is a file targets/NAME.toml beside edgekit.toml.",
    ),
    _page(
        "E0204",
        errors.ModelError,
        "The trained network cannot be found, loaded, run on the declared input or "
        "exported, or it looks untrained.",
        "Check [model] source, weights and input: shapes have no batch dimension, and "
        "channels come before height and width.",
        "Leave the network on the CPU.",
        "A doubt (it guesses, or other preprocessing is better) is accepted by --yes.",
    ),
    _page(
        "E0205",
        errors.DataError,
        "Samples are missing, unreadable, of another shape, or their classes are not the "
        "network's.",
        "Every image that cannot be read is named at once: replace or remove them.",
        "Classes count from 0, in the order of the folders' names.",
    ),
    _page(
        "E0206",
        errors.TrainingError,
        "A training diverged: its loss is not a number any more.",
        "Lower [recipe.distill] learning_rate.",
        'Train with precision = "fp32".',
    ),
    _page(
        "E0207",
        errors.OutputError,
        "A folder or file cannot be written, or holds files that EdgeKit did not write.",
        "Name another place with --out, free space there, or change its permissions.",
    ),
    _page(
        "E0208",
        errors.OutOfMemory,
        "This machine has too little memory for the request.",
        "Close other programs, or take smaller batches or a smaller network.",
    ),
    _page(
        "E0209",
        errors.LockError,
        "edgekit.lock is missing, cannot be read, or was made from other weights, data or "
        "settings than those that are here.",
        "The line names the value that differs: put the locked one back.",
        "Build without --locked, and commit the new edgekit.lock.",
    ),
    _page(
        "E0210",
        errors.FarmError,
        "devices.toml has a fault: an unknown key, a name or an address that is there twice, an "
        "address of another form, a target that does not exist.",
        "The line has the file, its line number, the key, the value and what it should be.",
    ),
    _page(
        "E0301",
        errors.DeviceError,
        "The device or its runtime is missing, or failed.",
        "edgekit devices probe ADDRESS and edgekit devices doctor ADDRESS check it.",
    ),
    _page(
        "E0302",
        errors.RuntimeMissing,
        "The package of a runtime is not installed.",
        "The line has the command that installs it; edgekit doctor lists them all.",
    ),
    _page(
        "E0303",
        errors.DeviceUnreachable,
        "There is no connection to the device: refused, unknown host, no such serial, or "
        "no login.",
        "Try ssh USER@HOST or adb devices by hand, with the same address.",
    ),
    _page(
        "E0304",
        errors.HostKeyError,
        "The host key of the device is unknown, or is not the one that is pinned.",
        "Connect once by hand and check the key; where it has changed, find out why.",
    ),
    _page(
        "E0305",
        errors.LinkLost,
        "The connection ended in the middle of a job. No process is left on the device.",
        "Run the same command again: it goes on from what was finished.",
    ),
    _page(
        "E0306",
        errors.DeviceFrozen,
        "The connection stands, and nothing answers.",
        "Look at the device's power and heat, restart it, and run the command again.",
    ),
    _page(
        "E0307",
        errors.DiskFull,
        "There is no space left on the device.",
        "Free some: jobs need a few times the model's size.",
    ),
    _page(
        "E0308",
        errors.DeviceOutOfMemory,
        "The device ended the agent because memory ran out.",
        "Take a smaller network or one thread, or set [budget] memory_mb.",
    ),
    _page(
        "E0309",
        errors.AgentKilled,
        "Somebody on the device ended the agent.",
        "Run the command again; the device's log names who ended it.",
    ),
    _page(
        "E0310",
        errors.DeviceBusy,
        "Another job holds the device.",
        "Wait for it, or end it; two measurements at once would spoil each other.",
    ),
    _page(
        "E0311",
        errors.WorkerLost,
        "The worker of a cluster that ran the build, or its machine, was lost, and so were those "
        "that ran it again; or one of several processes that train together was lost.",
        "Run the same command again, on every machine where it was typed: stages that were "
        "finished are in the cache, and a training goes on from its last checkpoint.",
        "The line names the machines. A worker that runs out of memory is lost, too: give each "
        "build more cpus, so that fewer run on a machine.",
    ),
    _page(
        "E0312",
        errors.NoWorker,
        "No machine of the cluster has the cpus, the gpus or the device that the build needs, or "
        "the machine that had them was lost.",
        "The line names what is missing and the machine that had it: start that one again.",
        "ray status lists the resources of every machine.",
    ),
    _page(
        "E0401",
        errors.MeasurementError,
        "A measurement is invalid or inconclusive: it must not be quoted, and decides "
        "nothing.",
        "The line has the reasons: heat, load, too few samples, a difference below noise.",
        "Quiet the machine, or take more launches: --tier default, --launches.",
    ),
    _page(
        "E0501",
        errors.ArtifactError,
        "A runtime lacks an operator of the file, or cannot read it.",
        "The line names the operator and its layer.",
        "Take another runtime: [recipe.export] runtimes.",
    ),
    _page(
        "E0502",
        errors.ParityError,
        "The artifact's outputs are not those of its network.",
        "edgekit diff ARTIFACT names the first layer that departs.",
        "Where int8 is to blame: a better calibration set, or more layers in float.",
    ),
    _page(
        "E0601",
        errors.GateUnproven,
        "A gate has a limit that nothing here shows to be kept: milliseconds without a "
        "device, parity without the network.",
        "Name the device: --device; or the project: --project.",
        "Pipelines may allow exit code 6.",
    ),
    _page(
        "E0701",
        errors.TargetsFailed,
        "Some of several targets failed; the others are finished. The exit code is the "
        "highest among the failures'.",
        "The line has the error of each target: edgekit explain its id.",
    ),
    _page(
        "E7001",
        errors.BuildCrashed,
        "A build in a process of a cluster ended with a fault of EdgeKit's own.",
        "Build the same target without --engine: the command then writes a crash report.",
    ),
)


def of(error: type[EdgeKitError]) -> Page:
    """The page of a kind of error, or of the nearest kind that has one."""
    by_kind = {page.kind: page for page in PAGES}
    return next(by_kind[kind] for kind in error.__mro__ if kind in by_kind)


def by_id(text: str) -> Page | None:
    """The page with that id, in whatever case; `None` for an unknown one."""
    return next((page for page in PAGES if page.id == text.strip().upper()), None)


def document() -> str:
    """All pages in Markdown, for `docs/errors.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield "Every error is one line, which ends with its id: `edgekit explain E0204`"
    yield "prints the page below. Ids stay; a kind that goes takes its id with it."
    for page in PAGES:
        code = page.kind.exit_code if page.id != "E0701" else "the highest"
        yield from ("", f"## {page.id}: {page.kind.__name__}", "", page.means, "")
        yield f"Exit code: {code}."
        yield ""
        yield from (f"* {fix}" for fix in page.fixes)


if __name__ == "__main__":
    place = Path(__file__).parents[1] / "docs/errors.md"
    place.write_text(document(), encoding="utf-8")
