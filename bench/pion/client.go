package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

const (
	setupTimeout   = 20 * time.Second
	tick           = 20 * time.Millisecond
	ticksPerFrame  = 2 // 25 fps
	answerMaxBytes = 64 * 1024
)

// client is one WHIP session that sends the clip and counts what comes back.
type client struct {
	pc       *webrtc.PeerConnection
	audio    *webrtc.TrackLocalStaticRTP
	video    *webrtc.TrackLocalStaticRTP // nil without -video
	resource string                      // the session's URL, to be deleted
	http     *http.Client

	sent        uint64
	audioPacket uint64
	videoPacket uint64
}

func (c *client) addTrack(mime, id string) (*webrtc.TrackLocalStaticRTP, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, id, "bench")
	if err != nil {
		return nil, err
	}
	sender, err := c.pc.AddTrack(track)
	if err != nil {
		return nil, err
	}
	// Interceptors see incoming RTCP only where somebody reads it.
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buffer); err != nil {
				return
			}
		}
	}()
	return track, nil
}

func (c *client) receive(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	counter := &c.audioPacket
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		counter = &c.videoPacket
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := receiver.Read(buffer); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 1500)
	for {
		if _, _, err := track.Read(buffer); err != nil {
			return
		}
		atomic.AddUint64(counter, 1)
	}
}

// post sends the offer and returns the answer (RFC 9725, section 4.2).
func (c *client) post(ctx context.Context, target, offer string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewBufferString(offer))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/sdp")
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMaxBytes))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%s answered %s: %.200s", target, response.Status, body)
	}
	if location, err := url.Parse(response.Header.Get("Location")); err == nil && location.String() != "" {
		c.resource = request.URL.ResolveReference(location).String()
	}
	return string(body), nil
}

// connect makes the session and returns once ICE and DTLS are done.
func connect(api *webrtc.API, certificate webrtc.Certificate, http *http.Client, target string, video bool) (*client, error) {
	c := &client{http: http}
	var err error
	if c.pc, err = api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{certificate}}); err != nil {
		return nil, err
	}
	if err = c.negotiate(target, video); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) negotiate(target string, video bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	var err error
	if c.audio, err = c.addTrack(webrtc.MimeTypeOpus, "audio"); err != nil {
		return err
	}
	if video {
		if c.video, err = c.addTrack(webrtc.MimeTypeVP8, "video"); err != nil {
			return err
		}
	}
	c.pc.OnTrack(c.receive)
	state := make(chan webrtc.PeerConnectionState, 8)
	c.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		select {
		case state <- s:
		default:
		}
	})

	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err = c.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	answer, err := c.post(ctx, target, c.pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	if err = c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return err
	}
	for {
		select {
		case s := <-state:
			if s == webrtc.PeerConnectionStateConnected {
				return nil
			}
			if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
				return fmt.Errorf("the connection is %s", s)
			}
		case <-ctx.Done():
			return fmt.Errorf("not connected after %s: %s", setupTimeout, c.pc.ConnectionState())
		}
	}
}

// send paces the clip with one ticker until stop is closed. What a late ticker left out is caught up.
func (c *client) send(media *clip, phase time.Duration, stop <-chan struct{}) {
	time.Sleep(phase)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	audio := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: media.audio}
	video := rtp.Packet{Header: rtp.Header{Version: 2}}
	start := time.Now()
	for done := int64(0); ; {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		for due := int64(time.Since(start) / tick); done < due; done++ {
			c.write(c.audio, &audio)
			audio.Timestamp += audioTicks
			if c.video != nil && done%ticksPerFrame == 0 {
				frame := media.frames[int(done/ticksPerFrame)%len(media.frames)]
				for i, payload := range frame {
					video.Payload = payload
					video.Marker = i == len(frame)-1
					c.write(c.video, &video)
				}
				video.Timestamp += videoTicks
			}
		}
	}
}

func (c *client) write(track *webrtc.TrackLocalStaticRTP, packet *rtp.Packet) {
	if track.WriteRTP(packet) == nil {
		atomic.AddUint64(&c.sent, 1)
	}
	packet.SequenceNumber++
}

func (c *client) close() {
	if c.resource != "" {
		if request, err := http.NewRequest(http.MethodDelete, c.resource, nil); err == nil {
			if response, err := c.http.Do(request); err == nil {
				response.Body.Close()
			}
		}
	}
	_ = c.pc.Close()
}
