"""`edgekit doctor`: what is installed, what is missing, what mends it."""

from __future__ import annotations

import json

from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Json, out_console, plain


def doctor(as_json: Json = False) -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    from edgekit.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([plain(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[yellow]--[/]"
            fix = f"[bold]{escape(finding.fix)}[/]" if finding.fix else ""
            table.add_row(mark, finding.name, escape(finding.found), fix)
        out_console.print(table)
