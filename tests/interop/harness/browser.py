"""Chromium by its DevTools protocol and Firefox by WebDriver BiDi, both over a WebSocket: a page, and
JavaScript evaluated in it. Nothing to install besides the browsers."""
import json
import re
import subprocess
import threading
import time
import urllib.request

from .proc import Failure, until
from .sandbox import need
from .ws import WebSocket

CHROMIUM = ("/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium-headless-shell")
CHROMIUM_FLAGS = [
    # The wrapper in /usr/bin leaves the browser behind when it is killed: this is the browser itself.
    "--headless=new", "--no-sandbox", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream", "--disable-features=WebRtcHideLocalIpsWithMdns,Vulkan,DialMediaRouteProvider",
    "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
    "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows", "--disable-extensions", "--mute-audio",
    "--password-store=basic", "--window-size=800,600",
]
FIREFOX = ("/usr/lib/firefox-esr/firefox-esr", "/usr/lib/firefox/firefox")
FIREFOX_PREFS = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.devices.insecure.enabled": True,
    "media.getusermedia.insecure.enabled": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.trr.mode": 5,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.ipc.processPrelaunch.enabled": False,
    "extensions.update.enabled": False,
    "remote.prefs.recommended": True,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.startup.max_resumed_crashes": -1,
}


def version(program):
    # As an old version of the page would: "Chromium 156.0", "Mozilla Firefox 153.7.0esr".
    out = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return " ".join(out.split()[:3])


class Page:
    """A tab. eval() takes an expression, which may be a promise, and gives its value."""

    def __init__(self, browser, ident):
        self.browser = browser
        self.ident = ident

    def eval(self, expression, seconds=20):
        # Values travel as JSON text, so that both protocols mean the same by them.
        wrapped = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        return json.loads(self.browser.evaluate(self.ident, wrapped, seconds))

    def until(self, what, expression, seconds=30, every=0.2):
        return until(f"{what} in {self.browser.name}", lambda: self.eval(expression), seconds, every)


class Browser:
    """The call-and-answer part that both protocols share."""

    def _open(self, url):
        self.socket = WebSocket(url)
        self.lock = threading.Lock()
        self.number = 0
        self.events = []

    def call(self, method, params, seconds=20, **more):
        with self.lock:  # a server's thread may call, too
            return self._call(method, params, seconds, more)

    def _call(self, method, params, seconds, more):
        self.number += 1
        self.socket.send({"id": self.number, "method": method, "params": params, **more})
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self.socket.receive(max(0.01, deadline - time.monotonic()))
            except TimeoutError:
                raise Failure(f"{self.name} did not answer {method} within {seconds} s") from None
            if message.get("id") != self.number:
                continue
            if "error" in message:
                raise Failure(f"{self.name}: {method}: {message.get('message') or message['error']}")
            return message.get("result", {})


class Chromium(Browser):
    name = "Chromium"

    def __init__(self, test, flags=()):
        self.program = need("chromium", *CHROMIUM)
        self.version = version("chromium") if self.program.startswith("/usr/lib") else version(self.program)
        profile = test.folder / "chromium"
        profile.mkdir()
        self.process = test.start("chromium", [
            self.program, *CHROMIUM_FLAGS, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}",
            "about:blank"], env={"HOME": str(profile)})
        port_file = profile / "DevToolsActivePort"
        lines = until("Chromium's debugging port",
                      lambda: port_file.exists() and len(port_file.read_text().split()) == 2
                      and port_file.read_text().split(), 40)
        self.port = int(lines[0])
        self._open(f"ws://127.0.0.1:{self.port}{lines[1]}")
        self.sessions = {}

    def open(self, url):
        target = self.call("Target.createTarget", {"url": url})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.sessions[target] = session
        page = Page(self, target)
        page.until(f"the page {url}", "document.readyState === 'complete' && location.href !== 'about:blank'")
        return page

    def evaluate(self, target, expression, seconds):
        answer = self.call("Runtime.evaluate", {
            "expression": expression, "awaitPromise": True, "returnByValue": True,
            "userGesture": True}, seconds, sessionId=self.sessions[target])
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure("Chromium: " + details.get("exception", {}).get("description", str(details)))
        return answer["result"].get("value")

    def close_page(self, page):
        self.call("Target.closeTarget", {"targetId": page.ident})


class Firefox(Browser):
    name = "Firefox"

    def __init__(self, test):
        self.program = need("firefox", *FIREFOX)
        self.version = version(self.program)
        profile = test.folder / "firefox"
        profile.mkdir()
        with open(profile / "user.js", "w") as prefs:
            for key, value in FIREFOX_PREFS.items():
                prefs.write(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n")
        self.process = test.start("firefox", [
            self.program, "--headless", "--no-remote", "--profile", profile,
            "--remote-debugging-port=0"], env={"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"})
        pattern = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
        found = until("Firefox's debugging port", lambda: pattern.search(self.process.stderr()), 60)
        self._open(found.group(1) + "/session")
        self.call("session.new", {"capabilities": {}}, 60)

    def open(self, url):
        context = self.call("browsingContext.create", {"type": "tab"}, 40)["context"]
        self.call("browsingContext.navigate", {"context": context, "url": url, "wait": "complete"}, 40)
        return Page(self, context)

    def evaluate(self, context, expression, seconds):
        answer = self.call("script.evaluate", {
            "expression": expression, "target": {"context": context}, "awaitPromise": True,
            "userActivation": True}, seconds)
        if answer.get("type") == "exception":
            raise Failure("Firefox: " + answer["exceptionDetails"].get("text", "?"))
        return answer["result"].get("value")

    def close_page(self, page):
        self.call("browsingContext.close", {"context": page.ident})
