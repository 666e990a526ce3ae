"""Janus with a configuration of its own: WebSocket and admin WebSocket on the sandbox's address (Janus
never gathers loopback candidates), two video rooms, and only what these tests use."""
import pathlib
import re
import subprocess
import time

from .proc import Failure, check, until
from .sandbox import ADDRESS, need
from .ws import WebSocket

WS_PORT, ADMIN_PORT = 8188, 7188
SECRET = "interop"
ROOM = 1234
ROOMS = {"vp8": ROOM, "vp9": ROOM + 1, "h264": ROOM + 2, "av1": ROOM + 3}  # each of one codec

JCFG = """general: {{
    configs_folder = "{folder}"
    plugins_folder = "{libs}/plugins"
    transports_folder = "{libs}/transports"
    events_folder = "{folder}/none"
    loggers_folder = "{folder}/none"
    debug_level = 4
    admin_secret = "{secret}"
    interface = "{address}"
}}
media: {{ rtp_port_range = "20000-20999" }}
nat: {{
    ice_enforce_list = "{address}"
    full_trickle = {full_trickle}
}}
plugins: {{ disable = "{no_plugins}" }}
transports: {{ disable = "{no_transports}" }}
"""
WEBSOCKETS = """general: {{
    json = "compact"
    ws = true
    ws_port = {ws_port}
    ws_ip = "{address}"
    wss = false
}}
admin: {{
    admin_ws = true
    admin_ws_port = {admin_port}
    admin_ws_ip = "{address}"
}}
"""
VIDEOROOM = """room-{room}: {{
    description = "interop"
    publishers = 10
    bitrate = 4000000
    audiocodec = "opus"
    videocodec = "{codec}"
    notify_joining = false
}}
"""


def libraries():
    found = sorted(pathlib.Path("/usr/lib").glob("*/janus")) + [pathlib.Path("/usr/lib/janus")]
    return next((p for p in found if (p / "plugins").is_dir()), found[-1])


def version():
    out = subprocess.run([need("janus"), "--version"], capture_output=True, text=True)
    found = re.search(r"\(([\d.]+)\)", out.stdout + out.stderr)
    return f"Janus {found.group(1) if found else '?'}"


class Janus:
    def __init__(self, test, address=ADDRESS, enter=(), full_trickle=False):
        self.address = address
        folder = test.folder / "janus"
        libs = libraries()
        (folder / "none").mkdir(parents=True)

        def others(kind, keep):
            return ",".join(sorted(p.name for p in (libs / kind).glob("*.so") if p.name not in keep))

        values = {
            "folder": folder, "libs": libs, "secret": SECRET, "address": address,
            "ws_port": WS_PORT, "admin_port": ADMIN_PORT, "full_trickle": "true" if full_trickle else "false",
            "no_plugins": others("plugins", ("libjanus_echotest.so", "libjanus_videoroom.so")),
            "no_transports": others("transports", ("libjanus_websockets.so",)),
        }
        for name, text in (("janus.jcfg", JCFG),
                           ("janus.transport.websockets.jcfg", WEBSOCKETS),
                           ("janus.plugin.echotest.jcfg", "general: {{}}\n")):
            (folder / name).write_text(text.format(**values))
        (folder / "janus.plugin.videoroom.jcfg").write_text(
            "".join(VIDEOROOM.format(room=room, codec=codec) for codec, room in ROOMS.items()))
        self.test, self.words = test, [*enter, need("janus"), "-F", folder]
        self.url = f"janus+ws://{address}:{WS_PORT}/"
        self.start()

    def start(self):
        """Once more after its process was ended: with the same configuration, in the same place."""
        self.process = self.test.start("janus", self.words)
        self.socket = until("Janus' admin interface", self._admin, 20)

    def _admin(self):
        try:
            return WebSocket(f"ws://{self.address}:{ADMIN_PORT}/", "janus-admin-protocol")
        except (ConnectionError, Failure):
            check(self.process.running(), "Janus did not start")
            return None

    def ask(self, request, path=(), **more):
        message = {"janus": request, "transaction": "interop", "admin_secret": SECRET, **more}
        for key, value in zip(("session_id", "handle_id"), path):
            message[key] = value
        self.socket.send(message)
        answer = self.socket.receive()
        return answer if answer.get("janus") == "success" else None

    def handles(self):
        """handle_info of every handle there is, by its number."""
        found = {}
        for session in (self.ask("list_sessions") or {}).get("sessions", []):
            for handle in (self.ask("list_handles", (session,)) or {}).get("handles", []):
                answer = self.ask("handle_info", (session, handle))
                if answer:
                    found[handle] = answer["info"]
        return found

    def watch(self, running, every=0.25):
        """Reads every handle's figures while running(), and gives the last of each with its time."""
        last = {}
        while running():
            for handle, info in self.handles().items():
                last[handle] = (time.time() * 1000, info)
            time.sleep(every)
        return last
