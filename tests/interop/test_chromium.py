"""Chromium, headless with fake devices, through the lab."""
import browsers
from harness import test
from harness.browser import Chromium


def chromium_room(t):
    """AV1 and its dependency descriptor, which the lab offers and passes on."""
    browsers.room_with_squall(t, Chromium, run_options=("--codec", "video=av1,vp8"))


def chromium_pair(t):
    browsers.two_pages(t, Chromium)


def chromium_whip(t):
    browsers.whip_and_whep(t, Chromium, codec="vp9+svc")


def chromium_offers(t):
    browsers.offers(t, Chromium)


def chromium_answers(t):
    browsers.answers(t, Chromium)


def chromium_codecs(t):
    browsers.codecs(t, Chromium)


def chromium_h264_mode0(t):
    browsers.h264_mode0(t, Chromium)


def chromium_opus(t):
    browsers.opus(t, Chromium)


def chromium_simulcast(t):
    browsers.simulcast(t, Chromium)


if __name__ == "__main__":
    test.run([chromium_room, chromium_pair, chromium_whip, chromium_offers, chromium_answers, chromium_codecs, chromium_h264_mode0, chromium_opus,
              chromium_simulcast])
