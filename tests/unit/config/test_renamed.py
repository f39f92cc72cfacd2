"""Project files with old names are refused with the new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.config import project
from edgekit.errors import ProjectError

PROJECT = """\
[model]
source = "model.py:build"
[data]
train = "train"
test = "test"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[recipe.quantise]\nrecover = false\n",
            "[recipe.quantise] is now [recipe.quantize].",
        ),
        (
            "[target.raspberrypi4.recipe.quantise]\nrecover = false\n",
            "[target.raspberrypi4.recipe.quantise] is now "
            "[target.raspberrypi4.recipe.quantize].",
        ),
        (
            "[data.preprocess]\ncolour = 'bgr'\n",
            "data.preprocess.colour is now data.preprocess.color.",
        ),
        (
            "[data.preprocess]\ncolor = 'grey'\n",
            "data.preprocess.color = 'grey': 'grey' is now 'gray'.",
        ),
        (
            "[recipe.prune]\ncost_source = 'host'\n",
            "recipe.prune.cost_source is now recipe.prune.cost_provenance.",
        ),
        (
            "[recipe.distill]\nvalidation_share = 0.2\n",
            "recipe.distill.validation_share is now recipe.distill.validation_fraction.",
        ),
        (
            "[recipe.quantize]\naware = 'never'\n",
            "recipe.quantize.aware is now recipe.quantize.qat.",
        ),
        (
            "[recipe.quantize]\naware_epochs = 3\n",
            "recipe.quantize.aware_epochs is now recipe.quantize.qat_epochs.",
        ),
        (
            "[recipe.bench]\nsettings_s = 0\n",
            "recipe.bench.settings_s is now recipe.bench.runtime_options_s.",
        ),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "edgekit.toml").write_text(PROJECT + text)
    with pytest.raises(ProjectError) as error:
        project.load(tmp_path)
    where, _, rest = str(error.value).partition(": ")
    assert where.startswith(f"{tmp_path}/edgekit.toml:")
    assert rest.replace('"', "'") == message


def test_a_key_that_never_existed_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "edgekit.toml").write_text(PROJECT + "[recipe.quantisation]\n")
    with pytest.raises(ProjectError, match="unknown key"):
        project.load(tmp_path)


def test_an_old_kind_of_task_is_refused_with_the_new_one(tmp_path: Path) -> None:
    old = "[task]\nkind = 'language-modelling'\n"
    (tmp_path / "edgekit.toml").write_text(PROJECT + old)
    with pytest.raises(ProjectError, match="Did you mean 'language-modeling'"):
        project.load(tmp_path)
