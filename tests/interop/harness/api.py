"""The HTTP service of an application, as scenarios ask it."""
import http.server
import ssl
import threading

from harness.sandbox import ADDRESS
from harness.ws import Served


class Api:
    """What asks an application of its users: a room, a token. `answer(method, path, body)` gives status, text and
    headers; `socket(path, served)` talks over a WebSocket; `tls` is a certificate's file and its key's."""

    def __init__(self, t, answer, socket=None, tls=None):
        api = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
                if self.headers.get("Upgrade") == "websocket":
                    self.close_connection = True
                    return socket(self.path, Served(self))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.requests.append((self.command, self.path, body, dict(self.headers)))
                status, text, headers = answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(text)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = reply

            def log_message(self, *_):
                pass

        host = ADDRESS if tls else "127.0.0.1"
        self.server = http.server.ThreadingHTTPServer((host, 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http{'s' if tls else ''}://{host}:{self.server.server_port}"
