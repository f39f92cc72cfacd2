"""One release in one command: the version, the changelog's date, a commit and a tag.

    python -m tools.release 0.2.0

The tag's message is the changelog's section. Nothing is pushed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
