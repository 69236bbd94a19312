"""A server that refuses every upload with 413 and hangs up, most data unread: a program, so as to be quick about it."""

import json
import socket
import threading

_ANSWERED = "HTTP/1.1 {} Answered\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


def talk(connection: socket.socket) -> None:
    """Answer one request: with an image that waits for its data, or with a refusal of the data."""
    with connection:
        head = b""
        while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
            head += piece
        is_upload = head.startswith(b"PUT")
        body = b"" if is_upload else json.dumps({"id": "web", "status": "queued"}).encode()
        connection.sendall(_ANSWERED.format(413 if is_upload else 200, len(body)).encode() + body)


with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)  # noqa: T201  # whoever starts this reads it
    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
