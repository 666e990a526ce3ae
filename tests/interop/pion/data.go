package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v3"
)

const dataPeriod = 100 * time.Millisecond

// data is a channel. Messages of the side that offers come back from an echo, and must be as they went; the
// side that answers is the echo.
type data struct {
	lock                                            sync.Mutex
	channel                                         *webrtc.DataChannel
	sent, received, bytesSent, bytesReceived, wrong int
	awaited                                         []webrtc.DataChannelMessage
}

func (d *data) send(m webrtc.DataChannelMessage) {
	d.sent++
	d.bytesSent += len(m.Data)
	if m.IsString {
		_ = d.channel.SendText(string(m.Data))
	} else {
		_ = d.channel.Send(m.Data)
	}
}

func (p *peer) useChannel(channel *webrtc.DataChannel, echo bool) {
	d := &data{channel: channel}
	p.lock.Lock()
	p.data = d
	p.lock.Unlock()
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		d.lock.Lock()
		defer d.lock.Unlock()
		d.received++
		d.bytesReceived += len(m.Data)
		if echo {
			d.send(m)
			return
		}
		if len(d.awaited) == 0 || d.awaited[0].IsString != m.IsString || !bytes.Equal(d.awaited[0].Data, m.Data) {
			d.wrong++
		}
		if len(d.awaited) > 0 {
			d.awaited = d.awaited[1:]
		}
	})
	if !echo {
		channel.OnOpen(func() { go d.talk(p.quiet) })
	}
}

func (d *data) talk(quiet <-chan struct{}) {
	ticker := time.NewTicker(dataPeriod)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-quiet:
			return
		case <-ticker.C:
		}
		times := 3
		if i == 7 {
			times = 3000
		}
		m := webrtc.DataChannelMessage{IsString: i%2 == 1, Data: []byte(strings.Repeat(fmt.Sprintf("message %d ", i), times))}
		d.lock.Lock()
		d.awaited = append(d.awaited, m)
		d.send(m)
		d.lock.Unlock()
	}
}

func (d *data) figures() event {
	d.lock.Lock()
	defer d.lock.Unlock()
	return event{"sent": d.sent, "received": d.received, "bytesSent": d.bytesSent, "bytesReceived": d.bytesReceived, "wrong": d.wrong}
}
