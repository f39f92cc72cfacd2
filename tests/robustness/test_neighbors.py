"""Files of the user's that import each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edgekit import child, sources
from edgekit.types import InputSpec, ModelSpec
from tests.robustness.conftest import Planted
from tests.robustness.test_planted_modules import LAYER, MODEL


def test_the_users_files_find_each_other_and_libraries_find_their_own(
    planted: Planted,
) -> None:
    folder = planted.folder
    (folder / "model.py").write_text(MODEL)
    (folder / "blocks.py").write_text(LAYER.format("block"))
    (folder / "later.py").write_text("def double(x):\n    return x + x\n")
    (folder / "much_later.py").write_text("")
    (folder / "parts").mkdir()
    (folder / "parts" / "tail.py").write_text(LAYER.format("tail"))
    spec = ModelSpec(source="model.py:build", input=InputSpec(shape=(4,)))
    before = list(sys.path)
    program = sources.load(spec, root=folder)
    assert program.module(torch.zeros(2, 4)).shape == (2, 4)
    assert planted.ran == set()
    assert sys.path == before
    assert not {"blocks", "later", "parts", "parts.tail"} & set(sys.modules)


@pytest.mark.parametrize("name", ["cupy", "sklearn"])
def test_only_files_of_the_folder_see_it(planted: Planted, name: str) -> None:
    (planted.folder / "model.py").write_text(
        "import library\n\ndef build():\n    library.optional()\n"
    )
    library = planted.folder / "venv" / "site-packages"
    library.mkdir(parents=True)
    (library / "library.py").write_text(
        f"def optional():\n    try:\n        import {name}\n"
        "    except ModuleNotFoundError:\n        pass\n"
    )
    code = (
        "import sys, pathlib\n"
        "from edgekit import errors\nfrom edgekit.config import user_code\n"
        f"sys.path.append({str(library)!r})\n"
        f"root = pathlib.Path({str(planted.folder)!r})\n"
        "user_code.locate('model.py:build', root, errors.ModelError).call()\n"
    )
    subprocess.run(child.python("-c", code), env=child.environment(), check=True)
    assert planted.ran == set()


def test_what_the_users_code_adds_to_the_path_is_its_own(tmp_path: Path) -> None:
    from edgekit.config.user_code import locate
    from edgekit.errors import ModelError

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "of_lib.py").write_text("VALUE = 3\n")
    (tmp_path / "model.py").write_text(
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "sys.path[:0] = [str(here), str(here / 'lib')]\n\n"
        "def value():\n    import of_lib\n    return of_lib.VALUE\n"
    )
    before = list(sys.path)
    value = locate("model.py:value", tmp_path, ModelError).load()
    assert sys.path == before
    assert value() == 3, "a later call finds it too"
    assert sys.path == before
