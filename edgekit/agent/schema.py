"""Jobs and results, field by field. Both are JSON; `schema` is the version of this file.

A job with a version that the agent does not support is refused. A field may be added
without a new version; a field that changes its meaning or goes needs one. An optional field
of a job that is absent has its default; a field of a result that is absent was not found
out in that run. Times are of the monotonic clock, 1 MB is 2**20 bytes. Paths are of the
machine the agent runs on. `PATHS_IN` and `PATHS_OUT` name the fields of a job that hold
paths, for whoever has to carry the files to another machine and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

SCHEMA = 2
"""Version 2: bench, energy, infer, microbenchmark, probe, profile, verify. Written here alone: jobs
carry it there, results carry it back, and both sides refuse another one."""
KINDS = ("bench", "energy", "infer", "microbenchmark", "probe", "profile", "verify")
PATHS_IN = ("path", "models", "inputs", "companions")
PATHS_OUT = ("outputs",)


class Job(TypedDict):
    """Fields of every job."""

    schema: int  # SCHEMA of the requester
    kind: str  # one of KINDS


class RuntimeJob(Job, total=False):
    """Fields of every job but "probe", besides those of `Job`."""

    runtime: str  # the name of a file in runtimes/, with - for _
    threads: int  # threads the runtime may use inside one inference; default 1
    options: dict[str, Any]  # settings of that runtime, see its file in runtimes/
    companions: list[
        str
    ]  # files that must lie beside the model (OpenVINO's .bin); not opened here
    timeout_s: float  # the process ends itself after this long; default: never


class BenchSettings(TypedDict, total=False):
    """Duration of warm-up and timing of a launch, and its inputs."""

    warmup_min_runs: int  # default 10
    warmup_min_s: float  # default 2; a window of the plateau test is a quarter of it, at most 0.5 s
    warmup_max_s: float  # default 30; timing starts then, plateau or not
    min_runs: int  # timed inferences at least; default 100
    min_s: float  # timed seconds at least; default 10
    max_s: float  # timing stops then, whatever the counts; default 60
    seed: int  # of the inputs that are drawn; default 0
    inputs: str | None  # .npz whose first sample is used; null: seeded random inputs
    pin: bool  # keep the process to as many processors as it has threads; default true
    trace_s: (
        float  # seconds between two looks at clock and heat while timing; default: none
    )


class BenchJob(RuntimeJob, BenchSettings, total=False):
    """One launch: load, first inference, warm-up to a plateau, timed inferences."""

    path: str  # the model file


class VerifyJob(RuntimeJob, total=False):
    """Load a model and run it once."""

    path: str  # the model file


class EnergySettings(TypedDict, total=False):
    """The meter, and how long it is read idle and under load."""

    meter: str  # "auto" (the first that can be read) or a meter's name; default "auto"
    meter_options: dict[str, Any]  # settings of that meter, see its file in meters/
    windows: int  # default 5
    window_s: float  # seconds of inferences in each window, at least; default 12
    idle_s: float  # seconds of doing nothing before, and again after; default 30
    warmup_s: float  # inferences before the first window; default 2
    seed: int  # of the inputs that are drawn; default 0
    inputs: str | None  # .npz whose first sample is used; null: seeded random inputs
    pin: bool  # as in a "bench" job


class EnergyJob(RuntimeJob, EnergySettings, total=False):
    """Joules of one model: idle, windows of inferences, idle again; in one process."""

    path: str  # the model file


class ProfileSettings(TypedDict, total=False):
    """Number of timings of the operators, and their inputs."""

    runs: int  # profiled inferences; default 50
    seed: int  # of the inputs; default 0


class ProfileJob(RuntimeJob, ProfileSettings, total=False):
    """Time by operator, by the runtime's own profiler, or each operator alone."""

    path: str  # the model file
    # for runtimes without a profiler: one model for each operator; null: the runtime profiles
    models: list[str] | None


class InferJob(RuntimeJob, total=False):
    """Outputs of a model for n samples, one after the other."""

    path: str  # the model file, its batch dimension 1
    # .npz: one array of n samples for each input, by the input's name, else in the file's order
    inputs: str
    outputs: str  # .npz to write: "output_0", "output_1", ... in `outputs_order`
    # names of the outputs wanted; null: all, as the runtime has them
    outputs_order: list[str] | None


class MicrobenchmarkSettings(TypedDict, total=False):
    """Rounds and durations of timing, counting or metering of each model."""

    rounds: int  # how often every model has its turn; default 6
    sessions: int  # how often each model is loaded, rounds taking turns; default 3
    min_round_ms: float  # milliseconds of one model in one round, at least; default 5
    min_round_runs: int  # inferences of one model in one round, at least; default 5
    seed: int  # of the inputs; default 0
    # "us" (default), or "instructions" where the process is emulated and its emulator counts:
    # then rounds and runs keep their numbers, and no time is read
    unit: str
    meter: str  # after the rounds, power of each by this meter ("auto": the first); default "none"
    meter_options: dict[str, Any]  # settings of that meter, see its file in meters/
    windows: int  # metered windows of each model; default 2
    # seconds of inferences in a window, at least; a meter read in turns may need more; default 0.25
    window_s: float


class MicrobenchmarkJob(RuntimeJob, MicrobenchmarkSettings, total=False):
    """Many small models timed, or counted, in one process, in interleaved rounds."""

    models: list[str]  # model files; all are loaded before the first is timed


class ProbeJob(Job, total=False):
    """An inventory of the machine; on a device elsewhere, `runtime` is installed first."""

    runtime: str  # not read by the agent


class Error(TypedDict, total=False):
    """An error of a job: its kind, a message, and the place in EdgeKit for a defect."""

    kind: str  # one of errors.MEANINGS
    message: str  # one line
    where: str  # file and line, for kind "internal" only


class Machine(TypedDict):
    """Facts of the machine, read and never guessed: null where they cannot be read."""

    arch: str  # as the process sees it: "x86_64", "aarch64", "armv7l"
    cpu: str | None  # the processor's name
    cpu_revision: str | None  # family/model/stepping, or implementer/part/revision
    isa: list[str]  # instruction set extensions that matter to inference kernels
    cores: int  # processors this process may use
    memory_mb: float | None  # of the machine, 1 MB = 2**20 bytes
    os: str  # system and release
    python: str  # its version
    governor: str | None  # frequency governor of the first processor
    emulated: bool | None  # instructions are translated by software; null: unknown
    emulation_evidence: str | None  # the evidence, or why there is none


class Warmup(TypedDict):
    """Inferences and seconds before timing began, and whether they reached a plateau."""

    runs: int  # inferences before timing began
    seconds: float  # wall time of them
    plateau: bool  # two consecutive window medians were within 2 %


class Conditions(TypedDict):
    """One look at the machine; null for values that cannot be read."""

    at_ns: int  # monotonic
    governor: str | None  # frequency governor of the first processor
    freq_mhz: float | None  # the slowest processor this process may use
    temp_c: float | None  # the hottest zone
    throttled: bool | None  # the firmware holds the clock down now (Raspberry Pi)
    throttle_count: int | None  # slow-downs for heat since the start (Intel)
    quota_stalls: int | None  # how often the control group's processor quota ran out
    load: float | None  # over the last minute, by processor
    on_battery: bool | None  # a battery feeds the machine


class Instructions(TypedDict):
    """Instructions of one inference, counted by the emulator; no time follows from them."""

    per_inference: float  # median over the counted inferences
    inferences: int  # how many were counted
    counter: str  # what counted


class Result(TypedDict):
    """Fields of every result."""

    schema: int  # SCHEMA of the agent
    kind: str  # the job's; "unknown" where the job could not be read
    error: Error | None  # null exactly where the job was done


class RunResult(Result, total=False):
    """Fields of every result of a runtime, besides those of `Result`."""

    runtime: str  # the job's
    runtime_version: str  # by the runtime's package
    threads: int  # that the runtime was allowed
    machine: Machine  # read before the process was pinned


class BenchResult(RunResult, total=False):
    """Result of "bench": times in milliseconds and nanoseconds, memory in MiB."""

    options: dict[str, Any]  # settings the runtime ran with
    import_ms: float | None  # loading the runtime's Python package; not part of load_ms
    load_ms: float | None  # from the file to a session with its memory allocated
    first_ms: float | None  # the first inference, inputs already in place
    warmup: Warmup  # how the launch got ready
    # every timed inference in order, none removed; empty where the process is emulated: the
    # agent then refuses to time, with the reason in `refused`
    samples_ns: Sequence[int]
    refused: str | None  # why no time was taken; null where it was
    instructions: Instructions | None  # where an emulator counts
    summary: Summary | None  # from a tool that gives no samples
    timed_s: float  # wall time of the timed part
    complete: bool  # false where max_s cut the timed part short of min_runs
    memory_before_load_mb: float | None  # resident, the runtime imported
    peak_memory_mb: float | None  # of the whole process up to the end of the warm-up
    peak_memory_method: str  # how it was read
    cpu_s: float | None  # processor time of the timed part, all threads
    pinned: list[int] | None  # processors the process was kept to
    trace: list[Conditions]  # before, between and after the timed inferences
    timer_ns: float  # the smallest step of the clock, where it is coarse: in browsers
    runs_per_sample: int  # inferences that one of samples_ns is the mean of; default 1


class Summary(TypedDict):
    """Statistics of timed inferences, in milliseconds."""

    samples: int  # inferences that the tool timed
    mean_ms: float  # the tool's average
    p50_ms: float | None  # null where the tool gives no median


class Window(TypedDict):
    """Joules and seconds of one window of a meter, and its number of inferences."""

    joules: float  # of all that the meter encloses
    seconds: float  # between its first and last reading
    runs: int  # inferences in it; 0 while idle
    gap_s: float | None  # the longest time between two readings; null for counters


class EnergyResult(RunResult, total=False):
    """Result of "energy": windows of joules, idle before and after."""

    meter: str | None  # null: none could be read; `reason` has the cause
    reason: str | None  # why there is no meter; null where there is
    unreadable: dict[
        str, str
    ]  # meter -> why it cannot be read; absent where one was found
    method: str  # "counter", "sampled" or "external"
    boundary: str  # what the meter encloses: "package", "board", ...
    gain_uncertainty: (
        float  # fraction of a reading that may be wrong, standard uncertainty
    )
    sampler_hz: float | None  # readings by second; null for counters
    sampler_cpu_fraction: (
        float | None
    )  # processor time of the reader over the metered time
    untraced_runs_per_s: float  # throughput just before, without the meter running
    idle_before: Window  # of doing nothing
    idle_after: Window  # the same, when all was done
    windows: list[Window]  # of inferences
    samples_ns: Sequence[int]  # latencies of the metered inferences, in order
    trace: list[Conditions]  # before, after the windows, and after the last idling
    pinned: list[int] | None  # processors the process was kept to


class OperatorTime(TypedDict):
    """Median time of one operator, in microseconds."""

    name: str  # of the node, or of its first output
    kind: str  # operator, as the runtime calls it
    us: float  # median over the profiled inferences
    kernel: str | None  # what ran it, where the runtime reports it
    fast: (
        bool | None
    )  # whether that is the runtime's optimized kernel; null: not reported
    why: str | None  # why it is not


class ProfileResult(RunResult, total=False):
    """Result of "profile": the operators in the order of execution."""

    method: str  # "profiler" or "each operator alone"
    runs: int  # profiled inferences
    operators: list[OperatorTime]  # in the order of execution


class InferResult(RunResult, total=False):
    """Result of "infer": the file of outputs and their order."""

    samples: int  # inferences done
    outputs: str  # the file written
    outputs_order: list[str]  # names of "output_0", "output_1", ...


class MicrobenchmarkRow(TypedDict):
    """Result of one model of "microbenchmark", in microseconds or instructions."""

    path: str  # as the job named it
    us: float | None  # smallest of rounds_us; null where instructions were counted
    rounds_us: list[float]  # median of each round
    instructions: (
        float | None
    )  # smallest of rounds_instructions; null where time was taken
    rounds_instructions: list[float]  # median of each round
    windows: list[
        Window
    ]  # metered; empty where no meter was asked for or could be read
    error: str | None  # why this model has no figure; the others have theirs


class MicrobenchmarkResult(RunResult, total=False):
    """Result of "microbenchmark": a row for each model, in the order of the job."""

    results: list[MicrobenchmarkRow]  # in the order of the job
    processor_fraction: (
        float | None
    )  # processor time over wall time while timing; less than 1: others ran meanwhile
    meter: str | None  # null: none was requested or readable; see `reason`
    reason: str | None  # why there is no meter; null where there is
    unreadable: dict[
        str, str
    ]  # meter -> why it cannot be read; absent where one was found
    method: str  # "counter", "sampled" or "external"
    boundary: str  # what the meter encloses: "package", "board", ...


class RuntimeFacts(TypedDict):
    """Version of an importable runtime, or the reason why it is not importable."""

    version: str | None  # null where it cannot be used
    reason: str | None  # why not


class ProbeResult(Result, total=False):
    """Result of "probe": the machine, its runtimes and its meters."""

    machine: Machine  # its facts
    numpy: str | None  # its version; null where there is none
    runtimes: dict[str, RuntimeFacts]  # every one that the agent supports
    conditions: Conditions  # one look, now
    meters: dict[str, str | None]  # name -> null where it can be read, else the reason


class VerifyResult(RunResult, total=False):
    """Result of "verify": the inputs and outputs of the model."""

    inputs: list[dict[str, Any]]  # name, shape and dtype of each, in order
    outputs: list[dict[str, Any]]  # likewise
