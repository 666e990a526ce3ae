// A WHIP echo on Pion: a target that is not Squall's own lab. Every RTP packet goes back to its sender
// (pion-echo -listen 127.0.0.1:PORT, end point /whip/echo).
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"
)

const (
	path          = "/whip/echo"
	offerMaxBytes = 64 * 1024
)

type server struct {
	api      *webrtc.API
	lock     sync.Mutex
	sessions map[string]*webrtc.PeerConnection
	made     int
}

func newServer(local net.IP) (*server, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.Equal(local) })
	return &server{
		api: webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
			webrtc.WithSettingEngine(settings)),
		sessions: map[string]*webrtc.PeerConnection{},
	}, nil
}

// echo sends what comes in on one track back on another of the same codec.
func echo(pc *webrtc.PeerConnection, in *webrtc.TrackRemote, back *webrtc.TrackLocalStaticRTP) {
	buffer := make([]byte, 1500)
	for {
		n, _, err := in.Read(buffer)
		if err != nil {
			return
		}
		if _, err := back.Write(buffer[:n]); err != nil && err != io.ErrClosedPipe {
			return
		}
	}
}

func (s *server) answer(offer string) (*webrtc.PeerConnection, error) {
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return pc, err
	}
	tracks := map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP{}
	for _, transceiver := range pc.GetTransceivers() {
		mime := webrtc.MimeTypeOpus
		if transceiver.Kind() == webrtc.RTPCodecTypeVideo {
			mime = webrtc.MimeTypeVP8
		}
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, transceiver.Kind().String(), "echo")
		if err != nil {
			return pc, err
		}
		if _, err := pc.AddTrack(track); err != nil {
			return pc, err
		}
		tracks[transceiver.Kind()] = track
	}
	pc.OnTrack(func(in *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if back := tracks[in.Kind()]; back != nil {
			echo(pc, in, back)
		}
	})
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return pc, err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return pc, err
	}
	<-gathered
	return pc, nil
}

func (s *server) post(w http.ResponseWriter, r *http.Request) {
	offer, err := io.ReadAll(io.LimitReader(r.Body, offerMaxBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pc, err := s.answer(string(offer))
	if err != nil {
		if pc != nil {
			_ = pc.Close()
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.lock.Lock()
	s.made++
	resource := fmt.Sprintf("%s/%d", path, s.made)
	s.sessions[resource] = pc
	s.lock.Unlock()
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", resource)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, pc.LocalDescription().SDP)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	pc := s.sessions[r.URL.Path]
	delete(s.sessions, r.URL.Path)
	s.lock.Unlock()
	if pc == nil {
		http.NotFound(w, r)
		return
	}
	_ = pc.Close()
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == path:
		s.post(w, r)
	case r.Method == http.MethodDelete:
		s.remove(w, r)
	default:
		http.NotFound(w, r)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8089", "address and port of the HTTP server; media uses the same address")
	flag.Parse()
	address, err := net.ResolveTCPAddr("tcp4", *listen)
	if err != nil {
		log.Fatal(err)
	}
	s, err := newServer(address.IP)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*listen, s))
}
