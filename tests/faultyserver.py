"""A local HTTP server that misbehaves on demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served, how, and what was asked for.

    Args:
        content: path -> bytes.
        drop_after: bytes after which every connection is cut, or None.
        ranges: whether Range is honoured.
        announced: Content-Length as a function of the true one; None leaves it out.
        tag: the ETag.
        statuses: status codes of the first requests, before anything is served.
        endless: after the content, send it again, and so on.
        shift: honour Range, but from so many bytes further on.
    """

    content: dict[str, bytes]
    drop_after: int | None = None
    ranges: bool = True
    announced: Callable[[int], int | None] = lambda length: length
    tag: str = '"one"'
    statuses: list[int] = field(default_factory=list)
    endless: bool = False
    shift: int = 0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve until the block ends; ``site.url`` is where."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.requests.append((self.path, wanted))
            if site.statuses:
                self.send_error(site.statuses.pop(0))
                return
            data = site.content.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = 0
            found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            if found and site.ranges and self.headers.get("If-Range", site.tag) == site.tag:
                start = int(found[1]) + site.shift
                if start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("ETag", site.tag)
            length = site.announced(len(data) - start)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            body = data[start:] if site.drop_after is None else data[start : start + site.drop_after]
            try:
                self.wfile.write(body)
                while site.endless:
                    self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
