"""Jobs and results, field by field. Both are JSON; `schema` is the version of this file.

A job with a version the agent does not know is refused. A field may be added without a new
version; a field that changes its meaning or goes needs one. Paths are of the machine the agent
runs on. `PATHS_IN` and `PATHS_OUT` name the fields of a job that hold paths, for whoever has to
carry the files to another machine and back.
"""

from __future__ import annotations

from typing import Any, TypedDict

SCHEMA = 1
KINDS = ("bench", "infer", "micro", "probe")
PATHS_IN = ("path", "models", "inputs", "companions")
PATHS_OUT = ("outputs",)


class Job(TypedDict):
    """What every job holds."""

    schema: int
    kind: str  # one of KINDS


class RuntimeJob(Job, total=False):
    """What every job but "probe" may hold besides."""

    runtime: str  # "litert", "tflite-runtime", "onnxruntime" or "openvino"
    threads: int  # threads the runtime may use inside one inference; default 1
    options: dict[str, Any]  # settings of that runtime, see its file in runtimes/
    companions: list[
        str
    ]  # files that must lie beside the model (OpenVINO's .bin); not opened here
    timeout_s: float  # the process ends itself after this long; default: never


class BenchJob(RuntimeJob, total=False):
    """One launch: load, first inference, warm-up to a plateau, timed inferences."""

    path: str  # the model file
    warmup_min_runs: int  # default 10
    warmup_min_s: float  # default 2; a window of the plateau test is a quarter of it, at most 0.5 s
    warmup_max_s: float  # default 30; timing starts then, plateau or not
    min_runs: int  # timed inferences at least; default 100
    min_s: float  # timed seconds at least; default 10
    max_s: float  # timing stops then, whatever the counts; default 60
    seed: int  # of the inputs that are drawn; default 0
    inputs: str | None  # .npz whose first sample is used; null: seeded random inputs
    energy: str  # "auto" (the first meter available), a meter's name, or "none"; default "auto"


class InferJob(RuntimeJob, total=False):
    """Outputs of a model for n samples, one after the other."""

    path: str  # the model file, its batch dimension 1
    # .npz: one array of n samples for each input, by the input's name, else in the file's order
    inputs: str
    outputs: str  # .npz to write: "output_0", "output_1", ... in `outputs_order`
    # names of the outputs wanted; null: all, as the runtime has them
    outputs_order: list[str] | None


class MicroJob(RuntimeJob, total=False):
    """Many small models timed, or counted, in one process, in interleaved rounds."""

    models: list[str]  # model files; all are loaded before the first is timed
    rounds: int  # how often every model has its turn; default 6
    sessions: int  # how often each model is loaded, rounds taking turns; default 3
    min_round_ms: float  # milliseconds of one model in one round, at least; default 5
    min_round_runs: int  # inferences of one model in one round, at least; default 5
    seed: int  # of the inputs; default 0
    # "us" (default), or "instructions" where the process is emulated and its emulator counts:
    # then rounds and runs are as many as said, and no time is read
    unit: str


class Error(TypedDict, total=False):
    kind: str  # one of errors.MEANINGS
    message: str  # one line
    where: str  # file and line, for kind "internal" only


class Machine(TypedDict):
    """Facts of the machine, read and never guessed: null where it does not say."""

    arch: str  # as the process sees it: "x86_64", "aarch64", "armv7l"
    cpu: str | None  # the processor's name
    cpu_revision: str | None  # family/model/stepping, or implementer/part/revision
    isa: list[str]  # instruction set extensions that matter to inference kernels
    cores: int  # processors this process may use
    memory_mb: float | None  # of the machine, 1 MB = 2**20 bytes
    os: str  # system and release
    python: str
    governor: str | None  # frequency governor of the first processor
    emulated: bool | None  # instructions are translated by software; null: cannot tell
    emulation_evidence: str | None  # what gave it away, or why it cannot be told


class Warmup(TypedDict):
    runs: int
    seconds: float
    plateau: bool  # two consecutive window medians were within 2 %


class EnergyResult(TypedDict):
    gross_mj: float | None  # millijoules per inference, idle power included
    meter: str | None
    method: str  # "counter", "sampled", "external" or "none"
    boundary: str | None  # what the meter encloses: "package", "board", ...
    seconds: float | None  # length of the metered window
    reason: str | None  # why there is no figure


class Result(TypedDict):
    """What every result holds. `error` is null exactly where the job was done."""

    schema: int
    kind: str
    error: Error | None


class BenchResult(Result, total=False):
    runtime: str
    runtime_version: str
    threads: int
    options: dict[str, Any]  # settings the runtime ran with
    import_ms: float  # loading the runtime's Python package; not part of load_ms
    load_ms: float  # from the file to a session with its memory allocated
    first_ms: float  # the first inference, inputs already in place
    warmup: Warmup
    samples_ns: list[int]  # every timed inference in order; none is removed
    timed_s: float  # wall time of the timed part
    complete: bool  # false where max_s cut the timed part short of min_runs
    memory_before_load_mb: float | None  # resident, the runtime imported
    peak_memory_mb: float | None  # of the whole process up to the end of the warm-up
    peak_memory_method: str  # how it was read
    energy: EnergyResult
    machine: Machine


class InferResult(Result, total=False):
    runtime: str
    runtime_version: str
    samples: int
    outputs: str  # the file written
    outputs_order: list[str]  # names of "output_0", "output_1", ...
    machine: Machine


class MicroRow(TypedDict):
    path: str
    us: float | None  # smallest of rounds_us; null where instructions were counted
    rounds_us: list[float]  # median of each round
    instructions: (
        float | None
    )  # smallest of rounds_instructions; null where time was taken
    rounds_instructions: list[float]  # median of each round
    error: str | None  # why this model has no figure; the others have theirs


class MicroResult(Result, total=False):
    runtime: str
    runtime_version: str
    threads: int
    results: list[MicroRow]  # in the order of the job
    machine: Machine


class RuntimeFacts(TypedDict):
    version: str | None  # null where it cannot be used
    reason: str | None  # why not


class ProbeResult(Result, total=False):
    machine: Machine
    numpy: str
    runtimes: dict[str, RuntimeFacts]
    meters: dict[str, str | None]  # name -> null where it can be read, else the reason
