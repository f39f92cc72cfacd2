"""A decoder of the author's, run from a bundle's file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.decode import placement
from edgekit.agent.serving.user_decoder import UserDecoder, run_lengths

SOURCE = """
import numpy as np

def boxes(output):
    return output[:, :4], output[:, 4], output[:, 5].astype(int)

def things(output):
    masks = np.zeros((len(output), 4, 6))
    for mask, (x1, y1, x2, y2) in zip(masks, output[:, :4].astype(int)):
        mask[y1:y2, x1:x2] = 0.7
    return output[:, :4], masks, output[:, 4], output[:, 5]

def short(output):
    return output[:, :4], output[:, 4]

def faulty(output):
    return output.no_such_thing
"""
ROWS = np.array(
    [(0, 0, 2, 2, 0.3, 1), (1, 1, 3, 4, 0.9, 0), (0, 0, 1, 1, 0.2, 2)], np.float32
)


def decoder(folder: Path, function: str = "boxes", **changes: Any) -> UserDecoder:
    (folder / "decoder.py").write_text(SOURCE)
    code = {
        "file": "decoder.py",
        "function": function,
        "sha256": hashlib.sha256(SOURCE.encode()).hexdigest(),
        "masks": function == "things",
        "confidence": 0.25,
        "most": 9,
    }
    return UserDecoder(folder, {**code, **changes})


def test_the_surest_come_first_and_the_unsure_are_left_out(tmp_path: Path) -> None:
    found = decoder(tmp_path).find(ROWS)
    assert found.classes.tolist() == [0, 1] and found.masks is None
    assert found.boxes.tolist() == [[1, 1, 3, 4], [0, 0, 2, 2]]
    assert len(decoder(tmp_path, most=1).find(ROWS).boxes) == 1
    assert len(decoder(tmp_path, confidence=0.95).find(ROWS).boxes) == 0


def test_masks_go_with_their_boxes_as_run_lengths(tmp_path: Path) -> None:
    found = decoder(tmp_path, "things").find(ROWS)
    assert found.masks is not None and found.masks.sum((1, 2)).tolist() == [6, 4]
    runs = run_lengths(found.masks[0])
    # Columns of four: one empty, then rows 1 to 3 of two columns.
    assert runs == {"size": [4, 6], "counts": [5, 3, 1, 3, 12]}
    assert run_lengths(found.masks[1])["counts"][:2] == [0, 2]
    assert run_lengths(np.zeros((2, 2), bool))["counts"] == [4]


def test_a_mask_is_taken_back_to_the_pixels_of_its_image() -> None:
    """An image of 8 x 8 pixels, half as large in the middle of an input of 6 x 4."""
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = True
    back = placement((8, 8), (4, 6), "letterbox").mask(mask)
    assert back.shape == (8, 8) and back[2:4, 2:4].all() and back.sum() == 4
    stretched = placement((3, 2), (4, 6)).mask(mask)
    assert stretched.shape == (2, 3) and stretched.tolist()[0] == [False, False, False]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("short", r"decoder\.py:short returned no boxes .*2 parts"),
        ("faulty", r"decoder\.py:17: AttributeError.*no_such_thing"),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_a_fault_of_the_author_is_one_line(
    tmp_path: Path, function: str, words: str
) -> None:
    with pytest.raises(AgentError, match=words):
        decoder(tmp_path, function).find(ROWS)


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[0, 0] = np.nan
    with pytest.raises(AgentError, match="not finite"):
        decoder(tmp_path).find(rows)


def test_another_file_than_the_bundles_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="not the file of the bundle's description"):
        decoder(tmp_path, sha256="0" * 64)
