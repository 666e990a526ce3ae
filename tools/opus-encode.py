#!/usr/bin/env python3
"""Encodes a 48 kHz 16-bit mono WAV with libopus into packets of 20 ms, each behind its length in two bytes; one of
length 0 is not sent (DTX): as in libwebrtc the first packet without sound is, for it tells the decoder that silence
begins, and so is the one behind each refresh of the noise. ffmpeg 5.1 does not know Opus' DTX.

    opus-encode.py IN.wav OUT.pkt BITS_PER_SECOND [dtx] [fec]"""
import ctypes
import ctypes.util
import struct
import sys
import wave

VOIP = 2048  # OPUS_APPLICATION_VOIP
SET_BITRATE, SET_DTX, SET_INBAND_FEC, SET_PACKET_LOSS, SET_VBR_CONSTRAINT = 4002, 4016, 4012, 4014, 4020
SAMPLES = 960


def main():
    path, out, rate, *words = sys.argv[1:]
    opus = ctypes.CDLL(ctypes.util.find_library("opus") or "libopus.so.0")
    opus.opus_encoder_create.restype = ctypes.c_void_p
    err = ctypes.c_int()
    encoder = ctypes.c_void_p(opus.opus_encoder_create(48000, 1, VOIP, ctypes.byref(err)))
    if err.value:
        sys.exit(f"libopus: error {err.value}")
    settings = {SET_BITRATE: int(rate), SET_VBR_CONSTRAINT: 1, SET_DTX: int("dtx" in words),
                SET_INBAND_FEC: int("fec" in words), SET_PACKET_LOSS: 10 if "fec" in words else 0}
    for what, value in settings.items():
        if opus.opus_encoder_ctl(encoder, what, ctypes.c_int(value)):
            sys.exit(f"libopus refuses setting {what}")
    with wave.open(path) as wav, open(out, "wb") as file:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (48000, 1, 2):
            sys.exit(f"{path}: expected 48 kHz, mono, 16 bit")
        silent = False
        while len(pcm := wav.readframes(SAMPLES)) == 2 * SAMPLES:
            packet = ctypes.create_string_buffer(1276)
            length = opus.opus_encode(encoder, pcm, SAMPLES, packet, len(packet))
            if length < 0:
                sys.exit(f"libopus: error {length}")
            said, silent = silent, length <= 2  # nothing but a header, says opus_encode's documentation
            length = 0 if silent and said else length
            file.write(struct.pack(">H", length) + packet.raw[:length])


if __name__ == "__main__":
    main()
