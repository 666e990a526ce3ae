"""The relay of ../relay between a WHIP client and a WHIP server: it is put into their way by exchanging
candidates, so that each side has only the relay to talk to."""
import json
import os
import re
import socket

from .proc import check, until
from .sandbox import ADDRESS

CANDIDATE = re.compile(r"^a=candidate:.*\r?\n", re.M)


class Relay:
    def __init__(self, t):
        program = os.environ.get("SQUALL_RELAY", "")
        check(os.access(program, os.X_OK), f"the variable SQUALL_RELAY does not name the program: {program}")
        self.process = t.start("relay", [program, ADDRESS])
        pattern = re.compile(r"a=(\d+)\nb=\d+\ncontrol=(\d+)\n")
        found = until("the relay's ports", lambda: pattern.search(self.process.stdout()), 10)
        self.port = int(found.group(1))
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.control.settimeout(5)
        self.control.connect((ADDRESS, int(found.group(2))))

    def order(self, text):
        """Gives the figures as they are then."""
        self.control.send(text.encode())
        answer = json.loads(self.control.recv(65536))
        check(isinstance(answer, dict), f"the relay: {answer}")
        return answer

    def shape(self, way, delay_ms=0, jitter_ms=0, loss_percent=0):
        self.order(f"shape {way} {round(1000 * delay_ms)} {round(1000 * jitter_ms)} {round(10000 * loss_percent)}")

    def narrow(self, way, kbps, queue_ms=300):
        """A bottleneck; 0: none."""
        self.order(f"narrow {way} {1000 * kbps} {queue_ms}")

    def cut(self, way, ms):
        self.order(f"cut {way} {ms}")

    def stats(self):
        return self.order("stats")

    def between(self, answer):
        """An `answer` for fakes.Whip, of another: the client's candidates are kept from the server, and the
        server's from the client."""
        def changed(offer):
            status, headers, sdp = answer(CANDIDATE.sub("", offer))
            if status != 201:
                return status, headers, sdp
            ports = re.findall(rf"^a=candidate:\S+ 1 udp \d+ {re.escape(ADDRESS)} (\d+) typ host", sdp, re.M | re.I)
            check(ports, f"no candidate of {ADDRESS} in the answer: {sdp}")
            self.order(f"server {ADDRESS} {ports[0]}")
            mine = f"a=candidate:1 1 udp 2130706431 {ADDRESS} {self.port} typ host\r\n"
            sections = re.split(r"(?=^m=)", CANDIDATE.sub("", sdp), flags=re.M)
            sections[1] = sections[1].rstrip("\r\n") + "\r\n" + mine
            return status, headers, "".join(sections)
        return changed
