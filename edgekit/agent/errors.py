"""What can go wrong on the device, as kinds that travel in a result."""

from __future__ import annotations

JOB_INVALID = "job_invalid"
RUNTIME_MISSING = "runtime_missing"
NUMPY_MISSING = "numpy_missing"
MODEL_UNREADABLE = "model_unreadable"
INPUTS_INVALID = "inputs_invalid"
INFERENCE_FAILED = "inference_failed"
OUTPUT_NOT_FINITE = "output_not_finite"
OUT_OF_MEMORY = "out_of_memory"
FILES = "files"
KILLED = "killed"
LINK_LOST = "link_lost"
BUSY = "busy"
INTERNAL = "internal"

MEANINGS = {
    JOB_INVALID: "the job cannot be read, or is of another schema than this agent's",
    RUNTIME_MISSING: "the runtime's package is not installed or does not load",
    NUMPY_MISSING: "this Python has no numpy",
    MODEL_UNREADABLE: "the runtime refuses the model: damaged, or an operator it lacks",
    INPUTS_INVALID: "the input arrays are not what the model takes",
    INFERENCE_FAILED: "the model loaded and failed to run",
    OUTPUT_NOT_FINITE: "the model ran on finite inputs and answered NaN or infinity",
    OUT_OF_MEMORY: "the process could not get the memory it asked for, or was ended over it",
    FILES: "a file named by the job cannot be read or written",
    KILLED: "a signal from outside ended the process; memory had not run out",
    LINK_LOST: "the requester of the job was silent for too long",
    BUSY: "another job held the device for too long",
    INTERNAL: "a defect of the agent; `where` in the error names the line",
}


class AgentError(Exception):
    """One of the kinds above and a one-line message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = one_line(message)


def one_line(message: object) -> str:
    """The text without line breaks: runtimes explain themselves in paragraphs."""
    return " ".join(str(message).split())[:500]
