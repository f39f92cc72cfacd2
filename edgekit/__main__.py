"""The entry of `python -m edgekit` and of the script `edgekit`."""

# Python puts the current folder (`-m`) or the script's first on `sys.path`, and what lies there
# may have the name of a library. It leaves before anything is imported that Python has not loaded.
import os
import sys


def _folder_of_start() -> str:
    if sys.argv[0] != __file__:
        return os.path.dirname(os.path.realpath(sys.argv[0]))  # noqa: PTH120
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # removed meanwhile; Python then puts nothing
        return ""


if not sys.flags.safe_path and sys.path[:1] == [_folder_of_start()]:
    del sys.path[0]

from edgekit.cli import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
