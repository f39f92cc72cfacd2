from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from edgekit.store import holders

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom edgekit.store import holders\n"
    "with holders.alone(Path(sys.argv[1]), print):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def test_the_second_waits_and_names_the_first(tmp_path: Path) -> None:
    file, said, order = tmp_path / ".stage.lock", [], []

    def second() -> None:
        with holders.alone(file, said.append):
            order.append("second")

    with holders.alone(file, said.append):
        other = threading.Thread(target=second)
        other.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
    [line] = said
    assert line.startswith("Process ")
    assert line.endswith("makes this stage: waiting for it")
    assert not file.exists()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".stage.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    process.stdout.close()
    said: list[str] = []
    with holders.alone(file, said.append):
        assert f"process {process.pid}" not in file.read_text()
    assert said == []
    assert not file.exists()


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    with holders.alone(tmp_path / "none/.stage.lock", print):
        pass
