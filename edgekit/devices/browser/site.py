"""A site on this machine for one page, which is isolated and posts what it found."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
_ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}
_MOST_BYTES = 2**30
DONE = "result"
"""The name under which a page posts its last message."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The files that are served, and the messages that came back."""

    folders: Mapping[str, Path]
    """Folders by the first part of the path."""
    texts: Mapping[str, bytes]
    """Single files by their path."""
    isolated: bool = True
    """True where pages get shared memory and a fine clock."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """First part of every path, which other users of this machine cannot guess."""
    posted: dict[str, bytes] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def find(self, path: str) -> tuple[str, bytes] | None:
        """The type and content at a path below the secret; `None` where there is none."""
        if path in self.texts:
            return _type(path), self.texts[path]
        first, _, rest = path.partition("/")
        folder = self.folders.get(first)
        if folder is None or not rest:
            return None
        file = (folder / rest).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            return None
        return _type(rest), file.read_bytes()


@contextmanager
def served(site: Site) -> Iterator[str]:
    """The address of the site while the block lasts."""
    server = _Server(("127.0.0.1", 0), _handler(site))
    thread = threading.Thread(target=server.serve_forever, name="site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{site.secret}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that is ended drops its connections; anything else is reported."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _type(path: str) -> str:
    return _TYPES.get(Path(path).suffix, "application/octet-stream")


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer with a file of the site."""
            path = self._path()
            found = None if path is None else site.find(path)
            if found is None:
                self._reply(404, "text/plain", b"")
            else:
                self._reply(200, *found)

        def do_POST(self) -> None:
            """Keep what the page found."""
            path, size = self._path(), int(self.headers.get("Content-Length", 0))
            if path is None or not 0 <= size <= _MOST_BYTES:
                self._reply(404, "text/plain", b"")
                return
            site.posted[path] = self.rfile.read(size)
            self._reply(204, "text/plain", b"")
            if path == DONE:
                site.done.set()

        def _path(self) -> str | None:
            path = unquote(urlsplit(self.path).path)
            start = f"/{site.secret}/"
            return path.removeprefix(start) if path.startswith(start) else None

        def _reply(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in _ISOLATED.items() if site.isolated else ():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    return Handler
