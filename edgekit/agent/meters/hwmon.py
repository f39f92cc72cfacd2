"""INA2xx power monitors by the kernel's hwmon files: a shunt that somebody put into a wire.

Boundary: whatever that wire feeds; the option `boundary` names it. Where the driver gives no
`power1_input` (ina3221), volts and amperes are multiplied.
"""

from __future__ import annotations

from pathlib import Path

from .sampling import Sampled

_PERIOD_S = 0.05
_CHIPS = (
    *("ina209", "ina219", "ina220", "ina226", "ina228", "ina230", "ina231", "ina238"),
    *("ina260", "ina3221"),
)


class Hwmon(Sampled):
    """Power of an INA2xx monitor, from the kernel's hwmon files."""

    name = "hwmon"
    method = "sampled"
    gain_uncertainty = 0.01
    """A usual shunt's tolerance; `shunt_tolerance` names another."""
    OPTIONS = ("root", "chip", "boundary", "shunt_tolerance", "channel")

    def __init__(
        self,
        root: str = "/sys",
        chip: str | None = None,
        boundary: str = "board",
        shunt_tolerance: float = 0.01,
        channel: int = 1,
    ) -> None:
        """`chip` is a folder's name (`hwmon2`) where there are several monitors."""
        super().__init__(_PERIOD_S)
        self._folder = Path(root) / "class" / "hwmon"
        self._chip = chip
        self._channel = channel
        self.boundary = boundary
        self.gain_uncertainty = shunt_tolerance

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        found = self._chips()
        if not found:
            return f"{self._folder} has no INA power monitor"
        if len(found) > 1:
            names = ", ".join(f"{one.name} ({_text(one / 'name')})" for one in found)
            return f"there are several power monitors: {names}; name one with `chip`"
        try:
            self.watts()
        except PermissionError as error:
            return f"{error.filename} may not be read; run as root, or mend its mode"
        except (OSError, ValueError) as error:
            return f"{found[0]} cannot be read ({error})"
        return None

    def watts(self) -> float:
        """The present power in watts; raises `ValueError` or `OSError`."""
        (chip,) = self._chips()
        number = self._channel
        power = chip / f"power{number}_input"
        if power.is_file():
            return int(power.read_text()) / 1e6
        volts = int((chip / f"in{number}_input").read_text()) / 1e3
        amperes = int((chip / f"curr{number}_input").read_text()) / 1e3
        return volts * amperes

    def _chips(self) -> list[Path]:
        found = [
            chip
            for chip in sorted(self._folder.glob("hwmon*"))
            if _text(chip / "name") in _CHIPS
        ]
        return [one for one in found if self._chip in (None, one.name)]


def _text(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""
