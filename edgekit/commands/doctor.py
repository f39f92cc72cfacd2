"""`edgekit doctor`: what is installed, what is missing, what mends it."""

from __future__ import annotations

import json

from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Json, out_console, plain


def doctor(as_json: Json = False) -> None:
    """Say what is installed, what is missing, and the command that mends it.

    Ends with 3 where no runtime is installed, and with 2 where the cache cannot be written:
    nothing can be built then.
    """
    from edgekit.commands.installation import check_installation, obstacle

    findings = check_installation()
    lacking = obstacle(findings)
    if as_json:
        print(json.dumps([plain(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False)
        for name in ("mark", "name", "found"):
            table.add_column(name, overflow="fold")
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[yellow]--[/]"
            table.add_row(mark, finding.name, escape(finding.found))
        out_console.print(table)
        for finding in findings:
            if finding.fix:  # whole, so that it can be copied
                line = f"[bold]{finding.name}[/]: {escape(finding.fix)}"
                out_console.print(line, soft_wrap=True, highlight=False)
    if lacking is not None:
        raise lacking
