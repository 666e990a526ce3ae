"""A WHIP server of aiortc that sends back what comes on data channels. Argument: the address to listen at.
Prints its port."""
import asyncio
import http.server
import sys
import threading

from aiortc import RTCPeerConnection, RTCSessionDescription
from harness import fakes

LOOP = asyncio.new_event_loop()
CONNECTIONS = []


async def answer(offer):
    pc = RTCPeerConnection()
    CONNECTIONS.append(pc)

    @pc.on("datachannel")
    def on_channel(channel):
        @channel.on("message")
        def on_message(message):
            channel.send(message)

    await pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    return pc.localDescription.sdp


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = asyncio.run_coroutine_threadsafe(answer(offer), LOOP).result(20).encode()
        self.reply(201, body, [("Content-Type", "application/sdp"), ("Location", "/whip/1")])

    def do_PATCH(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(204, b"", [])

    def do_DELETE(self):
        for pc in CONNECTIONS:
            asyncio.run_coroutine_threadsafe(pc.close(), LOOP).result(10)
        self.reply(200, b"", [])

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    threading.Thread(target=LOOP.run_forever, daemon=True).start()
    server = fakes.Server((sys.argv[1], 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
