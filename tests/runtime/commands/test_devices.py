"""`edgekit devices`."""

from __future__ import annotations

import json
from functools import partial

from tests import command
from tests.runtime.commands.running import ROOT

edgekit = partial(command.edgekit, ROOT)


def test_this_machine_is_listed_and_requested() -> None:
    assert "local" in edgekit("devices").stdout
    assert "local" in json.loads(edgekit("devices", "list", "--json").stdout)
    done = edgekit("devices", "probe", "local", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtimes"]["onnxruntime"]["version"]
