"""A page of a browser as a counterpart.Counterpart: it offers by WHIP, or answers what a WHIP server here
hands to it."""
import json
import pathlib
import threading
import time
from urllib.parse import urlsplit

from . import fakes
from .proc import Failure, until

SCRIPT = pathlib.Path(__file__).with_name("session.js")
SETTLE_S, LAST_S = 0.7, 0.3


class BrowserPeer:
    """Its events come when they are asked for, in their order: listening, connected, quiet, over."""

    def __init__(self, t, browser, words, options):
        self.browser = browser
        role, where, seconds = words[:3]
        options = {**options, "data": "--data" in words}
        self.seconds = float(seconds)
        self.options = json.dumps(options)
        self.deleted = threading.Event()
        self.over_told = None
        home = where if role == "offer" else t.lab().http()  # a page of a secure context: of 127.0.0.1
        parts = urlsplit(home)
        self.page = browser.open(f"{parts.scheme}://{parts.netloc}/")
        self.page.eval(f"(() => {{ {SCRIPT.read_text()} return true; }})()")
        self.offering = role == "offer"
        if self.offering:
            self.page.eval(f"interop.offer({json.dumps(where)}, {self.options})", 30)
        else:
            self.server = fakes.Whip(t, self.answer, address=where, deleted=self.deleted.set)

    def answer(self, offer):
        try:
            sdp = self.page.eval(f"interop.answer({json.dumps(offer)}, {self.options})", 30)
        except Failure as problem:
            return 500, {}, str(problem)
        return 201, fakes.SDP, sdp

    def event(self, name, seconds=30):
        return getattr(self, f"on_{name}")(seconds)

    def on_listening(self, seconds):
        return {"port": self.server.port}

    def on_connected(self, seconds):
        return {"ms": until(f"{self.browser.name} to be connected", lambda: self.page.eval("interop.connected || 0"), seconds)}

    def on_quiet(self, seconds):
        time.sleep(self.seconds)
        self.page.eval("interop.silence()")
        time.sleep(SETTLE_S)
        return self.figures()

    def on_over(self, seconds):
        if not self.offering:
            if not self.deleted.wait(seconds):
                raise Failure("Squall did not delete the session")
            time.sleep(LAST_S)
        return self.figures()

    def figures(self):
        return {"version": self.browser.version, **self.page.eval("interop.figures()")}

    def go_on(self):
        self.page.eval("interop.close()")

    def end(self):
        self.browser.close_page(self.page)

    def played(self, figures):
        return figures
