"""The network of a folder is built offline, every tensor from its files."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgekit.types import InputSpec
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import length, load, refused


def test_nothing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(folder, input=InputSpec(shape=(6,)))
    (folder / "model.safetensors").unlink()
    refused(folder, "No weights in")


def test_a_missing_tensor_is_named(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    del stored["classifier.weight"]
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    refused(folder, r"lacks classifier\.weight of DistilBert")


def test_half_precision_is_named(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    network.half().save_pretrained(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6))
    assert "Weights in half precision come in in single precision." in program.remarks
    assert all(p.dtype == torch.float32 for p in program.module.parameters())
