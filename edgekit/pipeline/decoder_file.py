"""The user's own decoder as a part of the bundle, where it runs alone with NumPy."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from edgekit import child, tasks
from edgekit.config.project import Project
from edgekit.config.user_code import is_reference, locate
from edgekit.errors import UsageError
from edgekit.evaluate.accuracy import predict
from edgekit.pipeline.samples import BuildData, DecoderFile
from edgekit.program.program import Program
from edgekit.scratch import folder as scratch_folder
from edgekit.tasks.scores import Outputs
from edgekit.types import DecoderCode
from edgekit.types.export_notes import DecoderLeftOut

_SAMPLES = 2
_SECONDS = 120.0
_OUTPUTS, _CODE, _REASON = "outputs.npy", "code.json", "reason"
_TRIAL = f"""
import json, sys
from pathlib import Path

import numpy as np

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.user_decoder import UserDecoder

def there(name):
    top = name.partition(".")[0]
    return top == "numpy" or top in sys.stdlib_module_names

class AsOnDevice:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if not there(name):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

for name in [name for name in sys.modules if not there(name)]:
    del sys.modules[name]
sys.meta_path.insert(0, AsOnDevice)
folder = Path(sys.argv[1])
try:
    decoder = UserDecoder(folder, json.loads((folder / "{_CODE}").read_text()))
    for output in np.load(folder / "{_OUTPUTS}"):
        decoder.find(output)
except AgentError as error:
    (folder / "{_REASON}").write_text(error.message)
"""


def with_decoder(
    project: Project, network: Program, samples: BuildData
) -> tuple[BuildData, tuple[DecoderLeftOut, ...]]:
    """The samples with the user's decoder, or the note of why it does not run on a device.

    The file is run in a fresh process, on outputs of the network for a few samples, with no module
    in reach but NumPy and the standard library's.
    """
    given = project.task.box_decoder
    if given is None or not is_reference(given.head):
        return samples, ()
    function = locate(given.head, project.root, UsageError)
    content = function.file.read_bytes()
    code = DecoderCode(
        function=function.function,
        sha256=hashlib.sha256(content).hexdigest(),
        masks=tasks.of(project.task.kind).finds_masks,
        confidence=given.confidence,
        most=given.most,
    )
    file = DecoderFile(contract=code, content=content)
    few = samples.validation.subset(np.arange(min(_SAMPLES, len(samples.validation))))
    reason = _reason(file, predict(network, few))
    if reason is not None:
        return samples, (DecoderLeftOut(function=function.name, reason=reason),)
    return replace(samples, decoder_file=file), ()


def _reason(file: DecoderFile, outputs: Outputs) -> str | None:
    """Why a decoder does not run on its own; `None` where it does."""
    with scratch_folder() as name:
        folder = Path(name)
        (folder / file.contract.file).write_bytes(file.content)
        (folder / _CODE).write_text(json.dumps(asdict(file.contract)), "utf-8")
        np.save(folder / _OUTPUTS, outputs, allow_pickle=False)
        command = child.python("-c", _TRIAL, str(folder))
        try:
            done = subprocess.run(
                command,
                env=child.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not end within {_SECONDS:g} s"
        if (folder / _REASON).is_file():
            return (folder / _REASON).read_text("utf-8")
        if done.returncode:
            return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return None
