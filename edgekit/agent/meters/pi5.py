"""The power controller of a Raspberry Pi 5, by `vcgencmd pmic_read_adc`.

Boundary: the board's own rails, so neither what hangs on USB, the fan nor an NVMe disk. Each
reading starts a program: ten a second at most. Other Raspberry Pis have no sensor.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from .sampling import Sampled

_READING = re.compile(r"(\S+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)([AV])")
_PERIOD_S = 0.2
_TIMEOUT_S = 2.0


class Pi5(Sampled):
    """Power of a Raspberry Pi 5's rails, by `vcgencmd`."""

    name = "pi5-pmic"
    method = "sampled"
    boundary = "board"
    gain_uncertainty = 0.05
    OPTIONS = ("command",)

    def __init__(self, command: str = "vcgencmd") -> None:
        super().__init__(_PERIOD_S)
        self._command = command

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        if shutil.which(self._command) is None:
            return f"{self._command} does not exist; only a Raspberry Pi has it"
        try:
            self.watts()
        except subprocess.TimeoutExpired:
            return f"{self._command} did not answer within {_TIMEOUT_S:g} s"
        except (OSError, ValueError) as error:
            return f"{error}"
        return None

    def watts(self) -> float:
        """The present power in watts; raises `ValueError` or `OSError`."""
        done = subprocess.run(
            [self._command, "pmic_read_adc"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        if "permission" in said.lower() or "VCHI" in said:
            raise PermissionError(
                f"{self._command} may not open /dev/vcio; join the group video, or give a "
                "container --device /dev/vcio"
            )
        return rails(said)


def rails(said: str) -> float:
    """Watts: volts times amperes of every rail that reports both."""
    amperes: dict[str, float] = {}
    volts: dict[str, float] = {}
    for rail, kind, value, _ in _READING.findall(said):
        (amperes if kind == "A" else volts)[rail] = float(value)
    both = amperes.keys() & volts.keys()
    if not both:
        raise ValueError(
            "pmic_read_adc names no rail with current and voltage; only a Raspberry Pi 5 does"
        )
    return sum(amperes[rail] * volts[rail] for rail in both)
