"""A WebSocket client (RFC 6455), for the browsers' debugging ports and for Janus' admin interface; and a server's side."""
import base64
import hashlib
import json
import os
import socket
import struct
import time
from urllib.parse import urlsplit

from .proc import Failure

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    def __init__(self, url, protocol=None, timeout=20):
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname, parts.port or 80), timeout)
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path or '/'} HTTP/1.1", f"Host: {parts.hostname}:{parts.port}",
            "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.data:
            self._more(time.monotonic() + timeout)
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
        if b" 101 " not in head.split(b"\r\n")[0] or accept not in head:
            raise Failure(f"no WebSocket at {url}: {head[:200]!r}")

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        part = self.sock.recv(65536)
        if not part:
            raise ConnectionError("the WebSocket was closed")
        self.data += part

    def _take(self, n, deadline):
        while len(self.data) < n:
            self._more(deadline)
        part, self.data = self.data[:n], self.data[n:]
        return part

    def _send(self, opcode, payload):
        n = len(payload)
        if n < 126:
            size = struct.pack("!B", 0x80 | n)
        elif n < 65536:
            size = struct.pack("!BH", 0x80 | 126, n)
        else:
            size = struct.pack("!BQ", 0x80 | 127, n)
        mask = os.urandom(4)
        long_mask = (mask * (n // 4 + 1))[:n]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(n, "big")
        self.sock.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def send(self, message):
        self._send(TEXT, json.dumps(message).encode())

    def receive(self, timeout=20):
        """The next message, read as JSON."""
        deadline = time.monotonic() + timeout
        whole = b""
        while True:
            first, second = self._take(2, deadline)
            n = second & 127
            if n == 126:
                n, = struct.unpack("!H", self._take(2, deadline))
            elif n == 127:
                n, = struct.unpack("!Q", self._take(8, deadline))
            payload = self._take(n, deadline)
            opcode = first & 15
            if opcode == CLOSE:
                raise ConnectionError("the WebSocket was closed")
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode != PONG:
                whole += payload
                if first & 0x80:
                    return json.loads(whole)

    def close(self):
        self.sock.close()


class Served:
    """A server's side of one WebSocket: it answers the upgrade that `handler` (of http.server) was asked for."""

    def __init__(self, handler):
        self.rfile, self.wfile = handler.rfile, handler.wfile
        accept = base64.b64encode(hashlib.sha1((handler.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        if handler.headers.get("Sec-WebSocket-Protocol"):
            lines.append("Sec-WebSocket-Protocol: " + handler.headers["Sec-WebSocket-Protocol"])
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    def send(self, text, opcode=TEXT):
        payload = text.encode()
        size = struct.pack("!B", len(payload)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
        self.wfile.write(bytes([0x80 | opcode]) + size + payload)
        self.wfile.flush()

    def receive(self):
        """The next text; None once the client has closed, with its code in `code`."""
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                self.code = None
                return None
            n = head[1] & 0x7f
            n = struct.unpack("!H", self.rfile.read(2))[0] if n == 126 else n
            mask, data = self.rfile.read(4), self.rfile.read(n)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
            if head[0] & 15 == CLOSE:
                self.code = struct.unpack("!H", data[:2])[0] if data else 1005
                return None
            if head[0] & 15 == TEXT:
                return data.decode()
