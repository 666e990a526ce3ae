"""Servers that misbehave, each on a port of its own of 127.0.0.1."""
import http.server
import socket
import socketserver
import ssl
import threading
import urllib.request


def closed_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Listener:
    """Accepts connections and hands each to `treat(connection)` in a thread."""

    def __init__(self, t, treat):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.treat = treat
        self.kept = []
        t.closers.append(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.kept.append(connection)
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection):
        try:
            self.treat(connection)
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for connection in self.kept:
            connection.close()


def silent(t):
    return Listener(t, lambda connection: None)


def hangs_up(t):
    """Reads the request, and closes in the middle of an answer."""
    def treat(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 Switching Pro")
        connection.close()
    return Listener(t, treat)


def tls(t, cert, key, port):
    """Takes TLS off and passes on to a port of 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def copy(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def treat(connection):
        secure = context.wrap_socket(connection, server_side=True)
        inner = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=copy, args=(inner, secure), daemon=True).start()
        copy(secure, inner)
    return Listener(t, treat)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        """http.server asks DNS for the name of its address, which in a namespace takes the resolver's whole patience."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Whip:
    """A WHIP server: answer(offer) -> (status, headers, body). With `clings` it never answers a DELETE;
    `deleted` is called at one."""

    def __init__(self, t, answer, clings=False, address="127.0.0.1", deleted=lambda: None):
        over = threading.Event()
        t.closers.append(over.set)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                offer = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                status, headers, body = answer(offer)
                self.reply(status, headers, body)

            def do_PATCH(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.reply(204, {}, "")

            def do_DELETE(self):
                if clings:
                    over.wait(60)
                self.reply(200, {}, "")
                deleted()

            def reply(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = Server((address, 0), Handler)
        self.server.handle_error = lambda *_: None  # clients that do not wait for the answer
        self.port = self.server.server_address[1]
        t.closers.append(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def target(self):
        return f"whip+http://127.0.0.1:{self.port}/whip"


SDP = {"Content-Type": "application/sdp", "Location": "/session/1"}


def changed_answer(url, change):
    """An `answer` for Whip: asks a real server and changes what it says."""
    def answer(offer):
        request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
        with urllib.request.urlopen(request, timeout=10) as real:
            return 201, SDP, change(real.read().decode())
    return answer
