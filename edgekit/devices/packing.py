"""The agent as one file that any Python 3.9 with numpy and a runtime can run.

Files of the user's own runtimes are in it, so that a device needs nothing but the file.
"""

from __future__ import annotations

import os
import shutil
import zipapp
from pathlib import Path

from edgekit import agent
from edgekit.agent.runtimes import added
from edgekit.scratch import folder as scratch_folder

_EPOCH = 315532800  # 1980, the earliest a zip entry can have


def pack_agent(path: Path) -> Path:
    """Writes the agent to `path` (`.pyz`), byte for byte the same for the same sources."""
    with scratch_folder() as folder:
        package = Path(folder) / "edgekit_agent"
        source = Path(agent.__file__).parent
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
        for name, file in added().items():
            shutil.copyfile(file, package / "runtimes" / f"{name}.py")
        (Path(folder) / "__main__.py").write_text(
            "import sys\n\nfrom edgekit_agent.__main__ import main\n\nsys.exit(main())\n"
        )
        for file in Path(folder).rglob("*"):
            os.utime(file, (_EPOCH, _EPOCH))
        zipapp.create_archive(folder, path, compressed=True)
    return path
