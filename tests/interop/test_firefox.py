"""Firefox, headless with fake devices, through the lab."""
import browsers
from harness import test
from harness.browser import Firefox


def firefox_room(t):
    browsers.room_with_squall(t, Firefox)


def firefox_pair(t):
    browsers.two_pages(t, Firefox)


def firefox_whip(t):
    browsers.whip_and_whep(t, Firefox)


def firefox_offers(t):
    browsers.offers(t, Firefox)


def firefox_answers(t):
    browsers.answers(t, Firefox)


if __name__ == "__main__":
    test.run([firefox_room, firefox_pair, firefox_whip, firefox_offers, firefox_answers])
