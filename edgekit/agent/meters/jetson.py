"""The INA3221 of an NVIDIA Jetson: its input rail, which feeds the module.

Boundary: the module, so neither the carrier board nor what hangs on it. The rails that it
contains are not added to it. Orin: hwmon files with a label `VDD_IN`; Nano: an iio device with
a rail `POM_5V_IN`.
"""

from __future__ import annotations

from pathlib import Path

from .sampling import Sampled

_PERIOD_S = 0.1
_INPUTS = ("VDD_IN", "POM_5V_IN")
_LABELED = range(1, 7)
"""Channel 7 is the sum of shunts, not a rail."""


class Jetson(Sampled):
    """Power of a Jetson's input rail, from its INA3221."""

    name = "jetson"
    method = "sampled"
    boundary = "module"
    gain_uncertainty = 0.05
    OPTIONS = ("root",)

    def __init__(self, root: str = "/sys") -> None:
        super().__init__(_PERIOD_S)
        self._drivers = Path(root) / "bus" / "i2c" / "drivers"

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        if self._rail() is None:
            return (
                f"{self._drivers} has no ina3221 with a rail {' or '.join(_INPUTS)}; only a "
                "Jetson has one"
            )
        try:
            self.watts()
        except PermissionError as error:
            return f"{error.filename} may not be read; run as root, or mend its mode"
        except (OSError, ValueError) as error:
            return f"the input rail cannot be read ({error})"
        return None

    def watts(self) -> float:
        """The present power in watts; raises `ValueError` or `OSError`."""
        rail = self._rail()
        if rail is None:
            raise ValueError("the input rail is gone")
        folder, channel = rail
        direct = folder / f"in_power{channel}_input"
        if direct.is_file():
            return int(direct.read_text()) / 1e3
        millivolts = int((folder / f"in{channel}_input").read_text())
        milliamperes = int((folder / f"curr{channel}_input").read_text())
        return millivolts * milliamperes / 1e6

    def _rail(self) -> tuple[Path, int] | None:
        for folder in sorted(self._drivers.glob("ina3221*/*/hwmon/hwmon*")):
            for channel in _LABELED:
                if _text(folder / f"in{channel}_label") in _INPUTS:
                    return folder, channel
        for folder in sorted(self._drivers.glob("ina3221*/*/iio:device*")):
            for channel in range(3):
                if _text(folder / f"rail_name_{channel}") in _INPUTS:
                    return folder, channel
        return None


def _text(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""
