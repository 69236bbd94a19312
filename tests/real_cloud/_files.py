"""A small file server on loopback: what import tasks and web-download fetch."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote


class FileServer:
    """Serves bytes from memory by name; everything else is 404."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._files))
        self._thread = threading.Thread(target=self._server.serve_forever, name="file-server", daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def put(self, name: str, data: bytes) -> str:
        """Serve the bytes under this name from now on, and return their URL."""
        self._files[name] = data
        return f"{self.url}/{quote(name)}"


def _handler(files: dict[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = self._head()
            if data is not None:
                self.wfile.write(data)

        def do_HEAD(self) -> None:
            self._head()

        def _head(self) -> bytes | None:
            data = files.get(unquote(self.path.partition("?")[0]).removeprefix("/"))
            if data is None:
                self.send_error(404)
                return None
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return data

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    return Handler
