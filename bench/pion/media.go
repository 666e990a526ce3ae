package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
)

const (
	audioBytes    = 100  // Opus at 40 kbit/s, 20 ms a packet
	videoMTU      = 1180 // RTP payload, with its VP8 descriptor
	videoFPS      = 25
	clipFrames    = 250 // a key frame every 10 s
	audioClock    = 48000
	videoClock    = 90000
	audioTicks    = audioClock / 50
	videoTicks    = videoClock / videoFPS
	packetsFive   = 6 // of 25 frames, so many have 5 packets and the others 4: 106 packets/s, 1 Mbit/s
	vp8HeaderSize = 10
)

// clip is cut into RTP payloads once; all clients send the same bytes.
type clip struct {
	audio  []byte
	frames [][][]byte
}

// syntheticFrame has a VP8 frame header (RFC 6386, section 9.1) and noise behind it: nobody decodes it.
func syntheticFrame(index, size int, noise *rand.Rand) []byte {
	frame := make([]byte, size)
	noise.Read(frame)
	if index == 0 {
		// Key frame, shown, first partition of 100 bytes; start code; 640x360.
		frame[0], frame[1], frame[2] = 0x10|0x80, 0x0c, 0x00
		frame[3], frame[4], frame[5] = 0x9d, 0x01, 0x2a
		binary.LittleEndian.PutUint16(frame[6:], 640)
		binary.LittleEndian.PutUint16(frame[8:vp8HeaderSize], 360)
		return frame
	}
	frame[0], frame[1], frame[2] = 0x11|0x80, 0x0c, 0x00
	return frame
}

func syntheticClip() *clip {
	noise := rand.New(rand.NewSource(1))
	c := &clip{audio: make([]byte, audioBytes)}
	noise.Read(c.audio)
	c.audio[0] = 0x78 // TOC: CELT full band, 20 ms, mono, one frame (RFC 6716, section 3.1)
	cutter := &codecs.VP8Payloader{}
	for i := 0; i < clipFrames; i++ {
		packets := 4
		if (i%videoFPS)*packetsFive%videoFPS < packetsFive {
			packets = 5
		}
		frame := syntheticFrame(i, packets*(videoMTU-1), noise)
		c.frames = append(c.frames, cutter.Payload(videoMTU, frame))
	}
	return c
}

// ivfClip takes the video of a VP8 .ivf file instead; it is sent at videoFPS whatever its own rate.
func ivfClip(path string) (*clip, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, header, err := ivfreader.NewWith(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if header.FourCC != "VP80" {
		return nil, fmt.Errorf("%s holds %s, not VP8", path, header.FourCC)
	}
	c := syntheticClip()
	c.frames = nil
	cutter := &codecs.VP8Payloader{}
	for {
		frame, _, err := reader.ParseNextFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.frames = append(c.frames, cutter.Payload(videoMTU, frame))
	}
	if len(c.frames) == 0 {
		return nil, fmt.Errorf("%s has no frames", path)
	}
	return c, nil
}
