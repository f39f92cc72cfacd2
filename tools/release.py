"""One release in one command: the version, the changelog's date, a commit and a tag.

    python -m tools.release 0.2.0

The tag's message is the changelog's section. Nothing is pushed. The package's name is looked up
on the index: free, ours or another project's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPI = "https://pypi.org/simple"
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
_OPEN = re.compile(r"^## \[[^\]]+\] - unreleased\n", re.M)


def main(arguments: Sequence[str], root: Path = ROOT) -> None:
    """Release the version that is named; exits with a line where that cannot be done."""
    if len(arguments) != 1 or not _VERSION.fullmatch(arguments[0]):
        sys.exit("Name one version: python -m tools.release 0.2.0")
    [version] = arguments
    tag = f"v{version}"
    if _git(root, "status", "--porcelain"):
        sys.exit("There are changes that are not committed. Commit them first.")
    if _git(root, "tag", "--list", tag):
        sys.exit(f"There is a tag {tag} already. Name the next version.")
    section = _dated(root / "CHANGELOG.md", version)
    _set_version(root / "edgekit/__init__.py", version)
    _git(root, "commit", "--all", "--message", f"Version {version}")
    _git(root, "tag", "--annotate", tag, "--cleanup=verbatim", "--message", section)
    print(
        f"Committed and tagged {tag}. Then: make release-check; git push --follow-tags"
    )
    print(named_on_index(root))


def named_on_index(root: Path) -> str:
    """A sentence about the package's name on the index (PIP_INDEX_URL, else PyPI): free, ours or
    another project's."""
    about = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    name = about["project"]["name"]
    index = os.environ.get("PIP_INDEX_URL", PYPI).rstrip("/")
    try:
        with urllib.request.urlopen(f"{index}/{name}/", timeout=20) as answer:
            page = answer.read().decode("utf-8", "replace")
    except OSError as error:
        if getattr(error, "code", None) == HTTPStatus.NOT_FOUND:
            return f"The name {name} is free on {index}."
        return (
            f"The name {name} could not be looked up ({index}: {error}). Do so first."
        )
    files = re.findall(rf"\b{name}-(\d[\w.!+]*?)(?:-[\w.-]+\.whl|\.tar\.gz)", page)
    tags = _git(root, "tag", "--list").split()
    foreign = [x for x in dict.fromkeys(files) if f"v{x}" not in tags]
    if files and not foreign:
        return f"The name {name} on {index} has versions of this repository alone."
    return (
        f"The name {name} on {index} is another project's ({', '.join(foreign[:5]) or 'no files'}, "
        "no tags here). Publish to an index of your own, or under another name."
    )


def _dated(changelog: Path, version: str) -> str:
    """Give the open section its version and date; the section's text."""
    text = changelog.read_text(encoding="utf-8")
    found = _OPEN.search(text)
    if found is None:
        sys.exit("CHANGELOG.md has no section '## [X.Y.Z] - unreleased'. Write one.")
    heading = f"## [{version}] - {datetime.now(UTC).date()}\n"
    changelog.write_text(_OPEN.sub(heading, text, count=1), encoding="utf-8")
    return f"Version {version}\n{text[found.end() :].partition(chr(10) + '## [')[0]}"


def _set_version(module: Path, version: str) -> None:
    text = module.read_text(encoding="utf-8")
    changed = re.sub(
        r'^__version__ = ".*"$', f'__version__ = "{version}"', text, flags=re.M
    )
    module.write_text(changed, encoding="utf-8")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"git {words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:])
