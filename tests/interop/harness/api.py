"""The HTTP service of an application, as scenarios ask it."""
import http.server
import threading


class Api:
    """What asks an application of its users: a room, a token. `answer(method, path, body)` gives status and text."""

    def __init__(self, t, answer):
        api = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
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

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
