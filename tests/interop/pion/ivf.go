package main

import (
	"encoding/binary"
	"fmt"
	"os"
)

const (
	ivfHeader      = 32
	ivfFrameHeader = 12
)

// version is set by the build.
var version = "?"

func readIvf(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var frames [][]byte
	for at := ivfHeader; at+ivfFrameHeader <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at:]))
		at += ivfFrameHeader
		if at+size > len(data) {
			break
		}
		frames = append(frames, data[at:at+size])
		at += size
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("%s has no frames", path)
	}
	return frames, nil
}

type ivfWriter struct{ file *os.File }

func newIvfWriter(path string) (*ivfWriter, error) {
	file, err := os.Create(path)
	if err == nil {
		_, err = file.Write(make([]byte, ivfHeader))
	}
	return &ivfWriter{file}, err
}

func (w *ivfWriter) write(frame []byte) {
	header := make([]byte, ivfFrameHeader)
	binary.LittleEndian.PutUint32(header, uint32(len(frame)))
	_, _ = w.file.Write(append(header, frame...))
}
