"""A websocket client in the standard library: what the host tells about its work."""
from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from .terminal import Trouble


class Events:
    """The messages of the host's /ws as (type, data) pairs: as much of RFC 6455 as a client of its server needs."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /ws?clientId={client_id} HTTP/1.1", f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        )
        self.socket.sendall("\r\n".join([*request, "", ""]).encode())
        status = self.stream.readline()
        if b" 101 " not in status:
            raise Trouble(f"The host's /ws answered {status!r}.")
        while self.stream.readline().strip():
            pass

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Ends when the connection does; previews and other binary messages come as ("binary", bytes)."""
        with contextlib.suppress(OSError, ValueError):  # reset by the host, closed by us
            for text, message in self.messages():
                if text:
                    event = json.loads(message)
                    yield event["type"], event["data"]
                else:
                    yield "binary", message

    def messages(self) -> Iterator[tuple[bool, bytes]]:
        """Whole messages and whether each is text."""
        message, text = b"", True
        while len(head := self.stream.read(2)) == 2:
            final = head[0] >> 7
            opcode = head[0] & 15
            size = head[1] & 127
            if size >= 126:
                size = int.from_bytes(self.stream.read(2 if size == 126 else 8), "big")
            payload = self.stream.read(size)
            if opcode == 8:  # close
                return
            if opcode == 9:  # ping; a client's frames are masked, here with zeros
                self.socket.sendall(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + payload)
            if opcode < 8:  # 1 text, 2 binary, 0 more of the same
                text = opcode == 1 if opcode else text
                message += payload
                if final:
                    yield text, message
                    message = b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
