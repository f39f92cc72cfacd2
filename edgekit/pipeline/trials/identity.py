"""The identity of a search: its trials are not mixed with those of another one."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from edgekit.config.project import Project
from edgekit.config.user_code import is_reference, source_digest
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials.space import Parameter
from edgekit.store import digest, key

_SHOWN = 12
"""Characters of a hash."""


def of(
    request: BuildRequest,
    settings: Sequence[str],
    parameters: Sequence[Parameter],
    rungs: int,
    device: str,
) -> dict[str, str]:
    """Everything that trials depend on beside their own settings, by what a message calls it.

    `settings` are those of the request. Of the configuration what is written, so that keys of a
    newer EdgeKit change nothing; of the network the code and the files' bytes, of the data their
    names.
    """
    project = request.project
    written = tomllib.loads(project.file.read_text(encoding="utf-8-sig"))
    return {
        "project": project.name,
        "target": request.target.name,
        "device": device,
        "space": "; ".join(one.text for one in parameters),
        "number of rungs": str(rungs),
        "configuration (edgekit.toml and --set)": key(written, settings)[:_SHOWN],
        "network (its files)": key(_network(project))[:_SHOWN],
    }


def _network(project: Project) -> list[str]:
    found = []
    for name in filter(None, (project.model.source, project.model.weights)):
        place = project.root / name
        if is_reference(name):
            found.append(source_digest(name, project.root))
        elif place.is_file():
            found.append(digest(place))
        elif place.is_dir():
            found += [
                digest(file) for file in sorted(place.glob("*")) if file.is_file()
            ]
    return found
