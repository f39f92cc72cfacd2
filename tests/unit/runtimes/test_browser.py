"""Runtimes in browsers are parts of the runtimes' folders."""

from __future__ import annotations

from edgekit.runtimes import browser, npm, registry


def test_the_runtimes_with_a_part_for_browsers_are_found() -> None:
    assert list(browser.known()) == ["litert", "onnxruntime"]
    assert not registry.get("openvino").has("web")


def test_each_names_files_of_packages_in_its_lock() -> None:
    for runtime in browser.known().values():
        packages = tuple(one.name for one in npm.locked(runtime.folder))
        assert runtime.package in packages and runtime.version[0].isdigit()
        files = {*runtime.imports.values(), *runtime.downloads, *runtime.threaded}
        assert all(file.startswith(packages) for file in files)
        assert all(
            f'from "{name}"' in runtime.adapter for name in [*runtime.imports][:1]
        )
        assert "export async function open(" in runtime.adapter
