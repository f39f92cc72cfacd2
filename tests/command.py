"""The command in this process: importing its libraries takes longer than most commands.

Tests of signals, streams, crashes and of what lies in a user's folder start a real process.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest


def edgekit(folder: Path, *arguments: object) -> CompletedProcess[str]:
    """Output and exit code of `edgekit` with these arguments in `folder`."""
    from edgekit import cli

    words = ["edgekit", *map(str, arguments)]
    out, err = StringIO(), StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    code = int(ended.value.code or 0)
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())
