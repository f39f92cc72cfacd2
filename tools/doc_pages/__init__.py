"""Pages of the documentation that are made from the code, so that they cannot be out of date.

`python -m tools.doc_pages` writes them: a page for each command, table of `edgekit.toml`, target,
runtime and task. `docs/errors.md` is `python -m edgekit.error_pages`'s.
"""
