"""Runtimes that generate: a module each, with its `ENGINE`; `registry` lists them."""
