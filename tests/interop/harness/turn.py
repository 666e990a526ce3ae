"""TURN servers with configurations of their own: coturn and ejabberd."""
import os
import pathlib
import re
import subprocess

from .proc import check, until
from .sandbox import ADDRESS, need

USER, PASSWORD, SECRET, REALM = "anna", "wonder-land", "north", "example.org"


def certificate(folder):
    """A certificate for ADDRESS of an authority of its own: (authority, certificate, key)."""
    ca, ca_key, csr = folder / "turn-ca.pem", folder / "turn-ca.key", folder / "turn.csr"
    cert, key, ext = folder / "turn.pem", folder / "turn.key", folder / "turn.ext"
    ext.write_text(f"subjectAltName=IP:{ADDRESS}\n")
    for words in (
        f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca -keyout {ca_key} -out {ca}",
        f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={ADDRESS} -keyout {key} -out {csr}",
        f"x509 -req -in {csr} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 2 -extfile {ext} -out {cert}",
    ):
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    return ca, cert, key


class Coturn:
    """Long-term credentials unless `options` say otherwise; TLS and DTLS with `tls`."""

    def __init__(self, t, *options, port=3478, tls=False, tls_port=None, rest=False, relay=(30000, 30999)):
        self.port, self.tls_port, self.ca = port, tls_port or port + 1000, None
        argv = [need("turnserver"), "-n", "--no-cli", "-L", ADDRESS, "-E", ADDRESS, "-p", port, "--fingerprint",
                "--realm", REALM, "--min-port", relay[0], "--max-port", relay[1], "--log-file", "stdout",
                "--simple-log", "--verbose", "--no-rfc5780", "--db", t.folder / f"turn{port}.db", "--pidfile", t.folder / f"turn{port}.pid"]
        if tls:
            self.ca, cert, key = certificate(t.folder)
            argv += ["--tls-listening-port", self.tls_port, "--cert", cert, "--pkey", key]
        else:
            argv += ["--no-tls", "--no-dtls"]
        argv += ["--use-auth-secret", "--static-auth-secret", SECRET] if rest else \
            ["--lt-cred-mech", f"--user={USER}:{PASSWORD}"]
        self.process = t.start("coturn", [*map(str, argv), *map(str, options)])
        until("coturn to listen", lambda: self._listens(), 10)

    def _listens(self):
        out = subprocess.run(["ss", "-lun"], capture_output=True, text=True).stdout
        return f"{ADDRESS}:{self.port}" in out

    def url(self, transport="udp"):
        return f"turn:{ADDRESS}:{self.port}?transport={transport}"

    def tls_url(self, transport="tcp"):
        return f"turns:{ADDRESS}:{self.tls_port}?transport={transport}"

    def said(self):
        return self.process.stdout() + self.process.stderr()

    def count(self, pattern):
        return len(re.findall(pattern, self.said()))


EJABBERD = """hosts: ["localhost"]
loglevel: info
certfiles: []
acme: {{ auto: false }}
auth_method: internal
auth_password_format: plain
listen:
{listeners}"""
EJABBERD_LISTENER = """  -
    port: {port}
    ip: "{address}"
    transport: {transport}
    module: ejabberd_stun
    use_turn: true
    turn_ipv4_address: "{address}"
    turn_min_port: {least}
    turn_max_port: {most}
    turn_blacklist: []
    auth_type: {auth}
    auth_realm: {realm}
    shaper: none
"""


class Ejabberd:
    """ejabberd's TURN by UDP and TCP, for a user of its own."""

    def __init__(self, t, port=3479):
        ctl = need("ejabberdctl", "/usr/sbin/ejabberdctl")
        folder = pathlib.Path(t.folder) / "ejabberd"
        folder.mkdir()
        config, empty = folder / "ejabberd.yml", folder / "ctl.cfg"
        config.write_text(EJABBERD.format(listeners="".join(
            EJABBERD_LISTENER.format(port=port, address=ADDRESS, transport=transport, least=least, most=least + 499, auth="user",
                                     realm="localhost") for transport, least in (("udp", 31000), ("tcp", 31500)))))
        empty.write_text("")
        for path, mode in ((t.folder, 0o755), (folder, 0o777), (config, 0o644), (empty, 0o644)):
            os.chmod(path, mode)  # ejabberdctl becomes the user ejabberd
        self.port = port
        command = [ctl, "--ctl-config", str(empty), "--config", str(config), "--spool", str(folder), "--logs", str(folder),
                   "--node", "turn@localhost"]
        self.process = t.start("ejabberd", [*command, "foreground"])
        until("ejabberd to listen", lambda: all(f"{ADDRESS}:{port}" in subprocess.run(["ss", flag], capture_output=True, text=True).stdout
                                                for flag in ("-lun", "-ltn")), 40)
        done = subprocess.run([*command, "register", USER, "localhost", PASSWORD], capture_output=True, text=True, timeout=40)
        check(done.returncode == 0, f"ejabberdctl register: {done.stdout} {done.stderr}")

    def url(self, transport="udp"):
        return f"turn:{ADDRESS}:{self.port}?transport={transport}"
