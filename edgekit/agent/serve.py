"""A small HTTP server: Open Inference Protocol v2 over JSON, and `/metrics` for Prometheus.

Everything is bounded: the body, the headers' wait, the connections, the batch. A connection has
a thread; inferences take turns, as the device's threads belong to one at a time.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from . import protocol
from .appliance import Appliance
from .errors import INFERENCE_FAILED, AgentError
from .metrics import CONTENT_TYPE, Metrics
from .protocol import Refused

PORT = 8080
IDLE_S = 15.0
"""A connection that sends nothing for so long is closed, in the middle of a request too."""
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")
_BUSY_BODY = b'{"error": "every connection here is in use"}\n'
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_BUSY_BODY), _BUSY_BODY)


class Limits(NamedTuple):
    body_bytes: int = 4 * 2**20
    connections: int = 64


class Server(ThreadingHTTPServer):
    """Serves one appliance under `name`; `serve_forever` runs until `drain`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], appliance: Appliance, limits: Limits
    ) -> None:
        self.appliance = appliance
        self.limits = limits
        self.model = str(appliance.description["name"])
        self.ready = True
        self.metrics = Metrics(
            {
                "name": self.model,
                "model": appliance.model,
                "runtime": str(appliance.description["runtime"]),
                "runtime_version": appliance.runtime_version,
            }
        )
        self._free = threading.BoundedSemaphore(limits.connections)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.metrics.answered(503)
            request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        self.metrics.moved(1)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.metrics.moved(-1)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no error of ours."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, socket.timeout)):
            super().handle_error(request, client_address)

    def drain(self, number: int = 0, frame: object = None) -> None:
        """Stops: no new connection is taken, requests under way get a moment to end."""
        self.ready = False
        threading.Thread(target=self.shutdown).start()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "EdgeKit"
    timeout = IDLE_S
    disable_nagle_algorithm = (
        True  # an answer in two packets waits 40 ms for the first's receipt
    )
    wbufsize = -1
    lingers = False

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, work: Any) -> None:
        try:
            status, content = 200, work()
        except Refused as refused:
            status, content = refused.status, {"error": refused.message}
        except AgentError as error:
            status = 500
            content = {"error": f"{error.kind}: {error.message}"}
            if error.kind != INFERENCE_FAILED:
                print(f"edgekit: {error.message}", file=sys.stderr, flush=True)
        text = isinstance(content, str)
        body = content.encode() if text else json.dumps(content).encode() + b"\n"
        self._send(status, body, CONTENT_TYPE if text else "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.server.metrics.answered(status)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _get(self) -> Any:
        server, path = self.server, self.path.partition("?")[0]
        if path == "/metrics":
            return server.metrics.text()
        if path in ("/v2", "/v2/"):
            return {"name": "edgekit", "version": _version(server), "extensions": []}
        if path == "/v2/health/live":
            return {"live": True}
        if path == "/v2/health/ready":
            return {"ready": self._ready()}
        action = self._model(path)
        if action == "/infer":
            raise Refused(405, "infer is asked with POST")
        if action == "/ready":
            return {"name": server.model, "ready": self._ready()}
        return protocol.metadata(server.appliance, server.model)

    def _post(self) -> Any:
        try:
            body = self._body()
        except Refused:
            self.close_connection = True  # what is left of the body is no next request
            self.lingers = True
            raise
        if self._model(self.path.partition("?")[0]) != "/infer":
            raise Refused(405, "only .../infer is asked with POST")
        self._ready()
        start = time.perf_counter()
        answer = protocol.answer(self.server.appliance, self.server.model, body)
        samples = answer["outputs"][0]["shape"][0]
        self.server.metrics.inferred(time.perf_counter() - start, samples)
        return answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "a body needs Content-Length; it cannot come in chunks")
        lengths = self.headers.get_all("Content-Length") or []
        if not lengths:
            raise Refused(411, "a body needs Content-Length")
        if len(set(lengths)) != 1 or not re.fullmatch(r"\d{1,18}", lengths[0]):
            raise Refused(400, "Content-Length is no number")
        length, limit = int(lengths[0]), self.server.limits.body_bytes
        if length > limit:
            raise Refused(413, f"a body of {length} bytes is over the limit of {limit}")
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        try:
            body = self.rfile.read(length)
        except socket.timeout as error:
            raise Refused(408, f"the body did not come within {IDLE_S:g} s") from error
        if len(body) < length:
            raise Refused(400, "the body ended early")
        return body

    def finish(self) -> None:
        """Reads a little of what was refused: else the reset overtakes our answer."""
        super().finish()
        if self.lingers:
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(1.0)
            left = 128
            while left and self.request.recv(1 << 16):
                left -= 1

    def handle_expect_100(self) -> bool:
        return True  # decided in `_body`, once the length is known

    def _model(self, path: str) -> str:
        """What is asked of the model; raises `Refused` where there is no such thing."""
        found = _MODEL.fullmatch(path)
        if not found:
            raise Refused(404, f"there is no {path[:80]} here")
        name, version, action = found.groups()
        if name != self.server.model:
            raise Refused(
                404, f"there is no model '{name[:80]}', only '{self.server.model}'"
            )
        if version not in (None, protocol.VERSION):
            raise Refused(404, f"there is no version '{version[:80]}'")
        return action or ""

    def _ready(self) -> bool:
        if not self.server.ready:
            self.close_connection = True
            raise Refused(503, "the server is stopping")
        return True

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """What the parser of requests refuses, as JSON too."""
        self.close_connection = True
        self.request_version = (
            self.protocol_version
        )  # what was sent may have named none
        reason = message or self.responses.get(code, ("refused", ""))[0]
        body = json.dumps({"error": reason[:200]}).encode() + b"\n"
        self._send(code, body, "application/json")

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are counted in `/metrics`, not written line by line."""


def serve(appliance: Appliance, host: str, port: int, limits: Limits) -> None:
    """Answers until SIGTERM or SIGINT; raises OSError where the port is taken."""
    server = Server((host, port), appliance, limits)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.drain)
    print(
        f"edgekit: {server.model} ({appliance.model}) on "
        f"http://{host}:{server.server_address[1]}/v2",
        file=sys.stderr,
        flush=True,
    )
    server.serve_forever(poll_interval=0.2)
    deadline = time.monotonic() + 3.0
    while server.metrics.in_flight and time.monotonic() < deadline:
        time.sleep(0.05)
    server.server_close()


def _version(server: Server) -> str:
    return str(server.appliance.description["versions"].get("edgekit", "unknown"))
