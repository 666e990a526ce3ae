package main

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/stats"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
	"github.com/pion/webrtc/v3/pkg/media/samplebuilder"
)

const latePackets = 64

// flow is one kind of media, both ways.
type flow struct {
	frames   [][]byte
	period   time.Duration
	track    *webrtc.TrackLocalStaticSample
	sender   *webrtc.RTPSender
	sent     int
	received *ivfWriter
	ssrcIn   uint32
	codec    string
}

type peer struct {
	pc        *webrtc.PeerConnection
	connected chan struct{}
	counters  stats.Getter
	lock      sync.Mutex
	flows     map[string]*flow
	data      *data
	quiet     chan struct{} // closed when its media end
}

func newAPI(local net.IP, found func(stats.Getter)) (*webrtc.API, error) {
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	// First of all, so that it sees what was received before other interceptors take anything away.
	counting, err := stats.NewInterceptor()
	if err != nil {
		return nil, err
	}
	counting.OnNewPeerConnection(func(_ string, getter stats.Getter) { found(getter) })
	registry.Add(counting)
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.Equal(local) })
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings)), nil
}

func newPeer(local net.IP, folder string) (*peer, error) {
	p := &peer{connected: make(chan struct{}), quiet: make(chan struct{}), flows: map[string]*flow{}}
	api, err := newAPI(local, func(getter stats.Getter) { p.counters = getter })
	if err != nil {
		return nil, err
	}
	for kind, period := range map[string]time.Duration{"audio": 20 * time.Millisecond, "video": 40 * time.Millisecond} {
		f := &flow{period: period}
		if f.frames, err = readIvf(filepath.Join(folder, kind+".ivf")); err != nil {
			return nil, err
		}
		if f.received, err = newIvfWriter(filepath.Join(folder, "received-"+kind+".ivf")); err != nil {
			return nil, err
		}
		p.flows[kind] = f
	}
	if p.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return nil, err
	}
	var once sync.Once
	p.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(p.connected) })
		}
	})
	p.pc.OnTrack(p.receive)
	p.pc.OnDataChannel(func(channel *webrtc.DataChannel) { p.useChannel(channel, true) })
	return p, nil
}

func (p *peer) addTracks() error {
	for _, kind := range []string{"audio", "video"} {
		mime := webrtc.MimeTypeOpus
		if kind == "video" {
			mime = webrtc.MimeTypeVP8
		}
		f := p.flows[kind]
		var err error
		if f.track, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, kind, "interop"); err != nil {
			return err
		}
		if f.sender, err = p.pc.AddTrack(f.track); err != nil {
			return err
		}
		go drain(f.sender.Read)
	}
	return nil
}

// drain reads RTCP, which interceptors see only where somebody does.
func drain(read func([]byte) (int, interceptor.Attributes, error)) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := read(buffer); err != nil {
			return
		}
	}
}

func (p *peer) gather(description webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(description); err != nil {
		return "", err
	}
	<-gathered
	return p.pc.LocalDescription().SDP, nil
}

func (p *peer) receive(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	go drain(receiver.Read)
	f := p.flows[track.Kind().String()]
	p.lock.Lock()
	f.ssrcIn = uint32(track.SSRC())
	f.codec = strings.ToLower(strings.SplitN(track.Codec().MimeType, "/", 2)[1])
	p.lock.Unlock()
	var depacketizer rtp.Depacketizer = &codecs.VP8Packet{}
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		depacketizer = &codecs.OpusPacket{}
	}
	builder := samplebuilder.New(latePackets, depacketizer, track.Codec().ClockRate)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			f.received.write(sample.Data)
		}
	}
}

// sendMedia paces both kinds; what a late ticker left out is caught up.
func (p *peer) sendMedia(length time.Duration) {
	var both sync.WaitGroup
	for _, f := range p.flows {
		both.Add(1)
		go func(f *flow) {
			defer both.Done()
			ticker := time.NewTicker(f.period / 4)
			defer ticker.Stop()
			for start := time.Now(); time.Since(start) < length; <-ticker.C {
				for due := int(time.Since(start) / f.period); f.sent <= due; f.sent++ {
					_ = f.track.WriteSample(media.Sample{Data: f.frames[f.sent%len(f.frames)], Duration: f.period})
				}
			}
		}(f)
	}
	both.Wait()
	close(p.quiet)
}

func (p *peer) figures() event {
	p.lock.Lock()
	defer p.lock.Unlock()
	more := event{"version": "Pion " + version}
	for kind, f := range p.flows {
		into, out := event{}, event{"frames": f.sent}
		if got := p.counters.Get(f.ssrcIn); got != nil {
			into["packets"], into["lost"] = got.InboundRTPStreamStats.PacketsReceived, got.InboundRTPStreamStats.PacketsLost
			// Its bytes are those of whole packets.
			into["bytes"] = got.InboundRTPStreamStats.BytesReceived - got.InboundRTPStreamStats.HeaderBytesReceived
		}
		if got := p.counters.Get(uint32(f.sender.GetParameters().Encodings[0].SSRC)); got != nil {
			out["packets"] = got.OutboundRTPStreamStats.PacketsSent
			out["bytes"] = got.OutboundRTPStreamStats.BytesSent - got.OutboundRTPStreamStats.HeaderBytesSent
		}
		if p.data != nil {
			more["data"] = p.data.figures()
		}
		more[kind] = event{"codec": f.codec, "in": into, "out": out}
	}
	return more
}
