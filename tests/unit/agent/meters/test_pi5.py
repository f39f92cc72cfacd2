"""The power controller of a Raspberry Pi 5, by a program like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent.meters.pi5 import Pi5, rails

PMIC = """\
     3V7_WL_SW_A current(0)=0.00487998A
     VDD_CORE_A current(7)=2.00000000A
     3V7_WL_SW_V volt(8)=3.70000000V
     VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.15268000V
"""


def test_rails_with_volts_and_amperes_are_summed(tmp_path: Path) -> None:
    assert rails(PMIC) == pytest.approx(0.00487998 * 3.7 + 2.0 * 0.9)
    with pytest.raises(ValueError, match="only a Raspberry Pi 5"):
        rails('error=1 error_msg="Command not registered"')
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\ncat <<'E'\n{PMIC}E\n")
    command.chmod(0o755)
    meter = Pi5(str(command))
    assert meter.available() is None
    command.write_text("#!/bin/sh\necho 'VCHI initialization failed'\n")
    assert "join the group video" in (Pi5(str(command)).available() or "")
    assert "only a Raspberry Pi" in (Pi5("/nowhere/vcgencmd").available() or "")
