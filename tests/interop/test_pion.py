"""Pion, the WebRTC stack of Go."""
from harness import clip, counterpart, pion, test


def software(t):
    clip.make(t.folder)
    program = pion.program()
    return counterpart.Software(lambda words: counterpart.Counterpart(t, "pion", [program], [*words[:3], "-media", t.folder, *(["-data"] if "--data" in words else [])], media=t.folder))


def pion_offers(t):
    counterpart.offers(t, test.note, software(t))


def pion_controlled(t):
    counterpart.controlled(t, test.note, software(t))


def pion_answers(t):
    counterpart.answers(t, test.note, software(t))


if __name__ == "__main__":
    test.run([pion_offers, pion_answers, pion_controlled])
