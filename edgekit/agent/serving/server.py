"""A small HTTP server: Open Inference Protocol v2 over JSON, and `/metrics` for Prometheus.

Everything is bounded: heads, bodies, connections in all and of a peer, the batch, the time for a
request to come and for its answer to be taken. A connection gets a thread once a request's head
is there; inferences take turns, as the device's threads belong to one at a time.
"""

from __future__ import annotations

import hmac
import http.client
import io
import json
import re
import signal
import socket
import sys
import threading
import time
import traceback
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import Any

from ..errors import INFERENCE_FAILED, AgentError, one_line
from . import protocol
from .door import Door, Guest, say
from .metrics import CONTENT_TYPE, Metrics
from .model import ServedModel
from .places import KEPT_S, SLOW_S, Limits, Places
from .protocol import Refused
from .wire import Reading, Writing

_LINGER_S = 1.0
_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")
_HEALTH = re.compile(rb"GET /v2/health/\w+[? ]")
_SHORT = {
    408: ("Request Timeout", "the request did not come in time"),
    503: ("Service Unavailable", "every connection here is in use"),
}


class Server(HTTPServer):
    """Serves one appliance under `name`; `serve_forever` runs until `drain`.

    Where there is a `token`, all but health is answered only to who sends it.
    """

    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        served: ServedModel,
        limits: Limits,
        token: str | None = None,
    ) -> None:
        self.served = served
        self.limits = limits
        self.token = token
        self.model = str(served.description["name"])
        self.ready = True
        self.metrics = Metrics(
            {
                "name": self.model,
                "model": served.model,
                "runtime": str(served.description["runtime"]),
                "runtime_version": served.runtime_version,
            }
        )
        self.places = Places(limits)
        self._door = Door(limits, self._admit, self._refuse, lambda: self.places.full)
        super().__init__(address, BaseRequestHandler)  # `_serve` makes its own

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a new connection to the door, instead of starting a thread."""
        self._door.arrive(request, client_address[0])

    def server_close(self) -> None:
        """Close the listening socket and the waiting connections."""
        super().server_close()
        self._door.close()

    def _admit(self, guest: Guest) -> None:
        thread = threading.Thread(target=self._host, args=(guest,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            self._refuse(guest, 503)

    def _refuse(self, guest: Guest, status: int) -> None:
        self.metrics.answered(status)
        phrase, reason = _SHORT[status]
        body = json.dumps({"error": reason}).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nRetry-After: 1\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        say(guest.link, head.encode() + body)

    def _host(self, guest: Guest) -> None:
        """Answers one connection. A health request is answered without a place too,
        once."""
        health = _HEALTH.match(guest.sent) is not None
        if self.places.take(guest.peer, push=not health):
            self.metrics.moved(1)
            try:
                self._serve(guest, placed=True)
            finally:
                self.metrics.moved(-1)
                self.places.leave(guest.link, guest.peer)
        elif health:
            self._serve(guest, placed=False)
        else:
            self._refuse(guest, 503)

    def _serve(self, guest: Guest, placed: bool) -> None:
        try:
            Handler(guest, self, placed)
        except OSError:
            pass  # a client that goes away in the middle is not an error of ours
        except Exception as error:  # noqa: BLE001 - one line, whatever a peer has sent
            _report(error)
        finally:
            self.shutdown_request(guest.link)

    def drain(self, number: int = 0, frame: object = None) -> None:
        """Stops: no new connection is taken, requests under way get a moment to end."""
        self.ready = False
        threading.Thread(target=self.shutdown).start()


class Handler(BaseHTTPRequestHandler):
    """Handle the requests of one connection, in a thread of its own."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "EdgeKit"
    lingers = False
    requestline = ""
    """Named in the log of a request of which not even the first line came."""

    def __init__(self, guest: Guest, server: Server, placed: bool) -> None:
        self._peer = guest.peer
        self._placed = placed
        self._first = bytes(guest.sent)
        super().__init__(guest.link, (guest.peer, 0), server)

    def setup(self) -> None:
        """Bound the time of requests and responses on the connection."""
        seconds = self.server.limits.seconds
        self.connection = self.request
        # An answer in two packets waits 40 ms for the first's receipt.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._reading = Reading(self.connection, seconds, self._first)
        self.rfile = io.BufferedReader(self._reading)
        self.wfile = Writing(self.connection, seconds)

    def handle_one_request(self) -> None:
        """Read one request within its limits of bytes and seconds, and answer it."""
        self._reading.next_request()
        if self._placed:
            self.server.places.waits(self.request, self._peer, KEPT_S)
        try:
            super().handle_one_request()
        except http.client.LineTooLong:
            self.send_error(414)

    def parse_request(self) -> bool:
        """Parse the head; refuse one that another server may read differently."""
        if not super().parse_request():
            return False
        self.server.places.works(self.request)
        self.close_connection = self.close_connection or not self._placed
        wrong = _malformed(self.headers, self.request_version)
        if wrong:
            self.send_error(400, wrong)
        return not wrong

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._answer(self._post)

    def _answer(self, work: Any) -> None:
        try:
            self._authorize()
            status, content = 200, work()
            text = content if isinstance(content, str) else _json(content)
        except Refused as refused:
            status, text = refused.status, _json({"error": refused.message})
        except AgentError as error:
            status, text = 500, _json({"error": f"{error.kind}: {error.message}"})
            if error.kind != INFERENCE_FAILED:
                print(f"edgekit: {error.message}", file=sys.stderr, flush=True)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours is an answer too
            _report(error)
            self.close_connection = True
            status, text = 500, _json({"error": "internal: a defect of the server"})
        plain = status == 200 and isinstance(content, str)
        self._send(status, text.encode(), CONTENT_TYPE if plain else "application/json")

    def _authorize(self) -> None:
        """Raises `Refused` unless the peer sent the token, or asks for health."""
        token = self.server.token
        if token is None or self.path.startswith("/v2/health/"):
            return
        scheme, _, sent = self.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(
            sent.strip().encode(errors="replace"), token.encode()
        )
        if scheme.lower() != "bearer" or not right:
            self._hang_up()
            raise Refused(401, "a bearer token is needed: Authorization: Bearer ...")

    def _hang_up(self) -> None:
        """The remaining bytes of a request are not the next one."""
        self.close_connection = True
        self.lingers = True

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.server.metrics.answered(status)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _get(self) -> Any:
        if self.headers.get("Content-Length", "0") != "0":
            self._hang_up()
        if self.headers.get("Transfer-Encoding"):
            self._hang_up()
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
            raise Refused(405, "infer requires POST")
        if action == "/ready":
            return {"name": server.model, "ready": self._ready()}
        return protocol.metadata(server.served, server.model)

    def _post(self) -> Any:
        try:
            body = self._body()
        except Refused:
            self._hang_up()
            raise
        if self._model(self.path.partition("?")[0]) != "/infer":
            raise Refused(405, "only .../infer requires POST")
        self._ready()
        start = time.perf_counter()
        server = self.server
        text_bytes = server.limits.text_bytes
        answer = protocol.answer(server.served, server.model, body, text_bytes)
        samples = answer["outputs"][0]["shape"][0]
        self.server.metrics.inferred(time.perf_counter() - start, samples)
        return answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "a body needs Content-Length; it cannot come in chunks")
        lengths = self.headers.get_all("Content-Length") or []
        if not lengths:
            raise Refused(411, "a body needs Content-Length")
        if len(set(lengths)) != 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0]):
            raise Refused(400, "Content-Length is not a number")
        length, limit = int(lengths[0]), self.server.limits.body_bytes
        if length > limit:
            raise Refused(413, f"a body of {length} bytes is over the limit of {limit}")
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        self._reading.body_begins()
        self.server.places.waits(self.request, self._peer, SLOW_S)
        try:
            body = self.rfile.read(length)
        except socket.timeout as error:
            seconds = self.server.limits.seconds
            raise Refused(
                408, f"the request did not come within {seconds:g} s"
            ) from error
        self.server.places.works(self.request)
        if len(body) < length:
            raise Refused(400, "the body ended early")
        return body

    def finish(self) -> None:
        """Reads a little of what was refused: else the reset overtakes our answer."""
        super().finish()
        if self.lingers:
            self.request.shutdown(socket.SHUT_WR)
            end = time.monotonic() + _LINGER_S
            while (left := end - time.monotonic()) > 0:
                self.request.settimeout(left)
                if not self.request.recv(1 << 16):
                    return

    def handle_expect_100(self) -> bool:
        """Send no interim response: the body is read at once."""
        return True  # decided in `_body`, once the length is known

    def _model(self, path: str) -> str:
        """The requested endpoint; raises `Refused` where it does not exist."""
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
        """Requests that the parser refuses are answered in JSON too."""
        self._hang_up()
        self.request_version = (
            self.protocol_version
        )  # what was sent may have named none
        reason = message or self.responses.get(code, ("refused", ""))[0]
        self._send(code, _json({"error": reason[:200]}).encode(), "application/json")

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are counted in `/metrics`, not written line by line."""


def serve(
    served: ServedModel,
    address: tuple[str, int],
    limits: Limits,
    token: str | None = None,
) -> None:
    """Answers until SIGTERM or SIGINT; raises OSError where the port is taken."""
    server = Server(address, served, limits, token)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.drain)
    print(
        f"edgekit: {server.model} ({served.model}) on "
        f"http://{address[0]}:{server.server_address[1]}/v2",
        file=sys.stderr,
        flush=True,
    )
    server.serve_forever(poll_interval=0.2)
    deadline = time.monotonic() + 3.0
    while server.metrics.in_flight and time.monotonic() < deadline:
        time.sleep(0.05)
    server.server_close()


def _version(server: Server) -> str:
    return str(server.served.description["versions"].get("edgekit", "unknown"))


def _json(content: Any) -> str:
    return json.dumps(content, allow_nan=False) + "\n"


def _malformed(headers: Message, version: str) -> str | None:
    """The reason why another server could read this head differently, or None."""
    if headers.defects or headers.get_payload():
        return "a header cannot be read"
    if any(end in value for value in headers.values() for end in "\r\n\0"):
        return "a header goes over a line"
    if version == "HTTP/1.1" and len(headers.get_all("Host") or []) != 1:
        return "a request needs one Host"
    return None


def _report(error: Exception) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    said = one_line(f"{type(error).__name__}: {error}")
    print(f"edgekit: internal: {said} ({where})", file=sys.stderr, flush=True)
