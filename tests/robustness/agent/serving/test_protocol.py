"""Requests whose numbers are wrong."""

from __future__ import annotations

import json

import pytest

from tests.robustness.test_hostile_clients import HEAD, INFER, strictly
from tests.runtime.agent.serving.test_server import Served, request


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ([1, 2, 4, 8], 200, '"data": [1.0, 0.5, 0.25, 0.125]'),
        ([0, 1, 1, 1], 500, "output_not_finite"),
        ([1e-45, 1, 1, 1], 500, "output_not_finite"),
        ([1e39, 1, 1, 1], 400, "not finite in float32"),
        ([-3.5e38, 1, 1, 1], 400, "not finite in float32"),
        ([True, 1, 1, 1], 400, "list of numbers"),
        ([[1.0, False, 1, 1]], 400, "list of numbers"),
        (["1", 1, 1, 1], 400, "list of numbers"),
        ([10**30, 1, 1, 1], 400, "list of numbers"),
        ([[1], [1], [1], [1]], 400, "nested as"),
        ([[[[1, 1, 1, 1]]]], 400, "nested as"),
        ({"0": 1}, 400, "list of numbers"),
        (1.5, 400, "list of numbers"),
    ],
)
def test_answers_are_json_and_numbers_are_checked_in_their_own_type(
    served: Served, data: object, status: int, words: str
) -> None:
    body = json.dumps(request(data)).encode()
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    head, _, text = served.raw(HEAD + length + body).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status), (head, text)
    strictly(text)
    assert words in text.decode()


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_not_a_number_in_json_is_refused(served: Served, literal: str) -> None:
    body = json.dumps(request([7, 1, 1, 1])).replace("7", literal, 2)
    assert served.ask(INFER, body.encode())[0] == 400
