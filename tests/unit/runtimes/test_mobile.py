"""Runtimes of applications on phones."""

from __future__ import annotations

from edgekit.runtimes import mobile


def test_each_names_its_pinned_package() -> None:
    for system in ("android", "ios"):
        for one in mobile.known(system).values():  # type: ignore[arg-type]
            assert one.purl.endswith(f"@{one.version}") and one.dtypes
            assert one.license and one.accelerators


def test_litert_is_on_android() -> None:
    assert mobile.known("android")["litert"].package.count(":") == 1
