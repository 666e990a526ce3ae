"""Processes of a test: their output goes to files, they are stopped by their own pid, and nothing is
waited for without a deadline."""
import os
import re
import signal
import subprocess
import time


# Browsers on a machine without a desktop.
NOISE = re.compile(r"dbus/|ALSA lib|alsa_util|GLib-GIO|libEGL|glxtest")


class Failure(AssertionError):
    """What a test found wrong, as a sentence."""


def check(condition, sentence):
    if not condition:
        raise Failure(sentence)


def until(what, test, seconds=20, every=0.05):
    """Polls test() until it is true, and returns what it gave. `what` completes 'waited for'."""
    deadline = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(every)


class Process:
    def __init__(self, folder, name, argv, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.stdout_path = folder / f"{name}.out"
        self.stderr_path = folder / f"{name}.err"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=out, stderr=err, env={**os.environ, **(env or {})},
                cwd=cwd or folder, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def signal(self, number=signal.SIGINT):
        self.popen.send_signal(number)

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds} s") from None

    def said(self, text, seconds=20):
        """Waits until it printed `text`."""
        def look():
            if text in self.stdout() or text in self.stderr():
                return True
            check(self.running(), f"{self.name} ended with {self.popen.returncode} before it said {text!r}")
            return False
        until(f"{self.name} to say {text!r}", look, seconds)

    def stop(self, seconds=5):
        """Asks, then insists. Its group goes with it: browsers leave helpers behind."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(seconds)
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def story(self, lines=25):
        """The end of what it said, for a failed test's log."""
        text = []
        for label, path in (("out", self.stdout_path), ("err", self.stderr_path)):
            said = path.read_text(errors="replace").splitlines() if path.exists() else []
            tail = [line for line in said if not NOISE.search(line)][-lines:]
            text += [f"  {self.name} {label}| {line[:400]}" for line in tail]
        code = "running" if self.running() else f"ended with {self.popen.returncode}"
        return "\n".join([f"--- {self.name} ({code}): {' '.join(self.argv)[:600]}", *text])
