"""Commands of an image for a device: `infer`, `bench`, `info`, `serve`.

`python3 -m edgekit_agent.serving.main`. Exit codes: 0 done; 1 a defect; 2 wrong usage or input;
3 no runtime, or a figure that cannot be had here; 137 out of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib import error as url_errors
from urllib import request as url_request

from ..errors import (
    FILES,
    INPUTS_INVALID,
    JOB_INVALID,
    NUMPY_MISSING,
    OUT_OF_MEMORY,
    RUNTIME_MISSING,
    AgentError,
)
from . import limits
from .places import TEXT_BYTES, Limits
from .supervise import supervise

_CODES = {
    JOB_INVALID: 2,
    INPUTS_INVALID: 2,
    FILES: 2,
    RUNTIME_MISSING: 3,
    NUMPY_MISSING: 3,
    OUT_OF_MEMORY: 137,
}
_MAX_BYTES = 64 * 2**20
_PORT = 8080
HOST = "EDGEKIT_HOST"
"""Environment variable that names the address to listen on; images set it."""
ALLOW_CODE = "EDGEKIT_ALLOW_CODE"
"""Environment variable that, as 1, allows what `--allow-code` does."""
TOKEN = "EDGEKIT_TOKEN"
"""Environment variable with the bearer token that `serve` asks for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the image; return the exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "health":
        return _healthy(given.port)
    watch = given.until_stdin_closes
    return supervise(lambda: _work(given), until_stdin_closes=watch)


def _work(given: argparse.Namespace) -> int:
    try:
        code: int = given.run(given)
    except AgentError as error:
        print(f"edgekit: {error.message}", file=sys.stderr)
        return _CODES.get(error.kind, 1)
    except MemoryError:
        limit = limits.memory().limit_mb
        allowed = "" if limit is None else f": this container may use {limit:.0f} MB"
        print(f"edgekit: out of memory{allowed}.", file=sys.stderr)
        return _CODES[OUT_OF_MEMORY]
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output is gone
        return 0
    return code


def _infer(given: argparse.Namespace) -> int:
    from .predict import Answerer

    answerer = Answerer(given.model, allow_code=given.allow_code)
    _report_code(answerer.code_left_out)
    for text in given.text:
        _print(answerer.answers_text(text))
    # Texts alone leave stdin unread.
    reads = given.paths or not given.text
    sources = list(_sources(given.paths, answerer.suffixes)) if reads else []
    failed = 0
    for name in sources:
        try:
            answers = answerer.answers(_content(name), name)
        except AgentError as error:
            if len(sources) == 1 or error.kind != INPUTS_INVALID:
                raise
            failed += 1
            answers = [{"source": name, "error": error.message}]
        _print(answers)
    return 2 if failed else 0


def _print(answers: Sequence[Any]) -> None:
    for answer in answers:
        print(json.dumps(answer), flush=True)


def _sources(paths: Sequence[str], suffixes: Sequence[str]) -> Iterator[str]:
    """`-` for standard input, and every file, those in folders by name."""
    for text in paths or ["-"]:
        path = Path(text)
        if text == "-" or not path.is_dir():
            yield text
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes)
        if not inside:
            known = ", ".join(suffixes)
            raise AgentError(INPUTS_INVALID, f"No files to read in {text} ({known}).")
        yield from map(str, inside)


def _content(name: str) -> bytes:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise AgentError(FILES, f"Cannot read {name} ({error.strerror}).") from error
    if len(content) > _MAX_BYTES:
        raise AgentError(INPUTS_INVALID, f"{name} is larger than {_MAX_BYTES} bytes.")
    return content


def _bench(given: argparse.Namespace) -> int:
    from .predict import benched

    result = benched(given.model, given.seconds)
    print(json.dumps(result, indent=2))
    return 3 if result["invalid"] else 0


def _info(given: argparse.Namespace) -> int:
    from .predict import facts

    print(json.dumps(facts(), indent=2))
    return 0


def _serve(given: argparse.Namespace) -> int:
    from .model import ServedModel, describe
    from .server import serve

    bounds = Limits(
        given.max_body_kb * 1024,
        given.max_connections,
        given.max_seconds,
        given.max_text_kb * 1024,
    )
    token = _token(given.token_file)
    served = ServedModel(*describe(), given.model, allow_code=given.allow_code)
    _report_code(served.code_left_out)
    try:
        serve(served, (given.host, given.port), bounds, token)
    except OSError as error:
        raise AgentError(
            FILES, f"Cannot listen on {given.host}:{given.port} ({error.strerror})."
        ) from error
    return 0


def _report_code(left_out: str | None) -> None:
    if left_out is not None:
        print(
            f"edgekit: {left_out} of this bundle is its author's Python, which finds boxes in "
            "the outputs. --allow-code runs it; without, answers are the outputs.",
            file=sys.stderr,
        )


def _token(file: str | None) -> str | None:
    """The bearer token; from a file or a variable, as a command line is public."""
    if file is None:
        token = os.environ.get(TOKEN)
        source = TOKEN
    else:
        source = file
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise AgentError(
                FILES, f"Cannot read the token in {file} ({error})."
            ) from error
    if token is not None and not re.fullmatch(r"[!-~]+", token):
        raise AgentError(
            JOB_INVALID,
            f"The token of {source} must be printable ASCII without spaces, and not empty.",
        )
    return token


def _healthy(port: int) -> int:
    """0 where the server here answers that it is ready; the health check of the image."""
    try:
        address = f"http://127.0.0.1:{port}/v2/health/ready"
        with url_request.urlopen(address, timeout=5) as reply:
            return 0 if reply.status == 200 else 1
    except (url_errors.URLError, OSError) as error:
        print(f"edgekit: not ready ({error}).", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgekit", description="A model and its runtime, ready to run."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run, until_stdin_closes=False)
        return command

    infer = add("infer", _infer, "Label and scores of each sample, a JSON line each.")
    infer.add_argument("paths", nargs="*", help="Files or folders; `-` is stdin.")
    infer.add_argument(
        "--text", action="append", default=[], help="A text. May be repeated."
    )
    bench = add("bench", _bench, "Latency and memory of the model here, as JSON.")
    bench.add_argument("--seconds", type=_positive, default=10.0, help="Timed seconds.")
    add("info", _info, "Contents of this image and the machine it runs on, as JSON.")
    serve = add("serve", _serve, "Serve the Open Inference Protocol v2 over HTTP.")
    serve.add_argument(
        "--host",
        default=os.environ.get(HOST, "127.0.0.1"),
        help="Where to listen: this machine alone, or 0.0.0.0 for all of the network.",
    )
    serve.add_argument("--port", type=int, default=_PORT)
    serve.add_argument("--max-body-kb", type=_count, default=4096)
    serve.add_argument(
        "--max-text-kb",
        type=_count,
        default=TEXT_BYTES // 1024,
        help="Of each text, before it becomes tokens.",
    )
    serve.add_argument("--max-connections", type=_count, default=64)
    serve.add_argument(
        "--max-seconds",
        type=_positive,
        default=15.0,
        help="For a request to come, and for its answer to be taken.",
    )
    serve.add_argument(
        "--token-file",
        help=f"Only who sends its content as a bearer token is answered; or set {TOKEN}.",
    )
    health = add("health", None, "Check that the server in this container is ready.")
    health.add_argument("--port", type=int, default=_PORT)
    for command in (infer, bench, serve):
        command.add_argument("--model", help="Another model of this image: see `info`.")
    for command in (infer, serve):
        command.add_argument(
            "--allow-code",
            action="store_true",
            default=os.environ.get(ALLOW_CODE) == "1",
            help="Run the decoder that the bundle brings as its author's Python.",
        )
    for command in (bench, serve):
        command.add_argument(
            "--until-stdin-closes",
            action="store_true",
            help="End when stdin closes, so that a killed `docker run -i` leaves nothing.",
        )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
