"""werift (npm): WebRTC written in TypeScript, all of it."""
from harness import clip, counterpart, npm, test
from harness.sandbox import ADDRESS


def software(t):
    clip.make(t.folder)
    options = ["--media", t.folder, "--stun", t.lab(address=ADDRESS).stun]
    return counterpart.Software(lambda words: counterpart.Counterpart(
        t, "werift", npm.node("werift.js"), [*words, *options], npm.environment(), media=t.folder))


def werift_offers(t):
    counterpart.offers(t, test.note, software(t))


def werift_controlled(t):
    counterpart.controlled(t, test.note, software(t))


def werift_answers(t):
    counterpart.answers(t, test.note, software(t))


if __name__ == "__main__":
    npm.ensure()
    test.run([werift_offers, werift_answers, werift_controlled])
