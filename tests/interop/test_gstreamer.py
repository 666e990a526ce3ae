"""GStreamer's webrtcbin, driven from Python."""
import pathlib
import subprocess
import sys

from harness import counterpart, test
from harness.sandbox import skip

SCRIPT = pathlib.Path(__file__).with_name("gst_peer.py")
# Where GStreamer keeps what it found out about its plug-ins, instead of the user's home.
REGISTRY = pathlib.Path(__file__).parents[2] / "build" / "interop-gstreamer.registry"
NEEDED = """
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstWebRTC", "1.0"); gi.require_version("GstSdp", "1.0")
from gi.repository import Gst
Gst.init(None)
missing = [name for name in ("webrtcbin", "nicesrc", "vp8enc", "opusenc", "rtpvp8pay", "dtlsenc", "srtpenc") if not Gst.ElementFactory.find(name)]
raise SystemExit(f"no element {', '.join(missing)}" if missing else 0)
"""


def software(t):
    REGISTRY.parent.mkdir(exist_ok=True)
    env = {"GST_REGISTRY": str(REGISTRY), "GST_REGISTRY_FORK": "no"}
    trial = subprocess.run([sys.executable, "-c", NEEDED], capture_output=True, text=True, env={**env, "PATH": "/usr/bin:/bin"})
    if trial.returncode != 0:
        skip(f"GStreamer is not all there (tools/install-deps.sh test): {trial.stderr.strip()[-200:]}")
    return counterpart.Software(
        lambda words: counterpart.Counterpart(t, "gstreamer", [sys.executable, "-B", SCRIPT], words, env),
        lost_by_silence=1,
        # It is asked every 100 ms, because a BYE takes a stream's figures away: 5 packets of audio are
        # sent in that time, 2 frames of up to 10 packets, or a key frame.
        unread={"audio": 10, "video": 50})


def gstreamer_offers(t):
    counterpart.offers(t, test.note, software(t))


def gstreamer_controlled(t):
    counterpart.controlled(t, test.note, software(t))


def gstreamer_answers(t):
    counterpart.answers(t, test.note, software(t))


if __name__ == "__main__":
    test.run([gstreamer_offers, gstreamer_answers, gstreamer_controlled])
