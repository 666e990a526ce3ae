"""libwebrtc in Node (@roamhq/wrtc of npm): what Chromium is made of, driven by a small program."""
from harness import counterpart, npm, test


def software(t):
    return counterpart.Software(lambda words: counterpart.Counterpart(t, "wrtc", npm.node("roamhq.js"), words, npm.environment()))


def wrtc_offers(t):
    counterpart.offers(t, test.note, software(t))


def wrtc_controlled(t):
    counterpart.controlled(t, test.note, software(t))


def wrtc_answers(t):
    counterpart.answers(t, test.note, software(t))


if __name__ == "__main__":
    npm.ensure()
    test.run([wrtc_offers, wrtc_answers, wrtc_controlled])
