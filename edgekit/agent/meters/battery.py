"""The fuel gauge of a battery, as phones and laptops have one.

Boundary: everything the battery feeds, the screen included. It only means something while the
battery discharges: a charging device is refused. Vendors disagree on the current's sign, so its
size is taken, with the direction from `status`.
"""

from __future__ import annotations

from pathlib import Path

from .sampling import Sampled

_PERIOD_S = 0.25


class Battery(Sampled):
    """Power that a battery delivers, from its current and voltage."""

    name = "battery"
    method = "sampled"
    boundary = "battery"
    gain_uncertainty = 0.05
    OPTIONS = ("root", "supply")

    def __init__(self, root: str = "/sys", supply: str | None = None) -> None:
        """`supply` is a folder's name (`battery`, `BAT0`) where there are several."""
        super().__init__(_PERIOD_S)
        self._folder = Path(root) / "class" / "power_supply"
        self._supply = supply

    def available(self) -> str | None:
        """None where the meter can be read, else the reason and the fix."""
        battery = self._battery()
        if battery is None:
            return f"{self._folder} has no battery with a current"
        try:
            status = (battery / "status").read_text().strip()
            if status != "Discharging":
                return (
                    f"the battery is {status.lower() or 'in an unknown state'}: its current "
                    "is not what the device takes. Unplug the supply (over USB a command "
                    "that only pretends does not help: use adb over Wi-Fi)"
                )
            self.watts()
        except PermissionError as error:
            return f"{error.filename} may not be read; run as root or as the shell user"
        except (OSError, ValueError) as error:
            return f"{battery} cannot be read ({error})"
        return None

    def watts(self) -> float:
        """The present power in watts; raises `ValueError` or `OSError`."""
        battery = self._battery()
        if battery is None:
            raise ValueError("the battery is gone")
        power = battery / "power_now"
        if power.is_file():
            return abs(int(power.read_text())) / 1e6
        microamperes = abs(int((battery / "current_now").read_text()))
        microvolts = int((battery / "voltage_now").read_text())
        return microamperes * microvolts / 1e12

    def _battery(self) -> Path | None:
        for supply in sorted(self._folder.glob("*")):
            chosen = self._supply in (None, supply.name)
            kind = supply / "type"
            if chosen and kind.is_file() and kind.read_text().strip() == "Battery":
                known = ("current_now", "power_now")
                if any((supply / name).is_file() for name in known):
                    return supply
        return None
