package main

import (
	"net"
	"sync"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/webrtc/v3"
)

const startRate = 2_000_000 // bit/s

func registerCodecs(media *webrtc.MediaEngine, video bool) error {
	err := media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
		},
		PayloadType: 111,
	}, webrtc.RTPCodecTypeAudio)
	if err != nil || !video {
		return err
	}
	return media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock,
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}},
		},
		PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo)
}

// estimates are the clients' bandwidth estimators.
type estimates struct {
	lock sync.Mutex
	all  []cc.BandwidthEstimator
}

func (e *estimates) add(_ string, estimator cc.BandwidthEstimator) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.all = append(e.all, estimator)
}

// meanKbps is 0 without any.
func (e *estimates) meanKbps() float64 {
	e.lock.Lock()
	defer e.lock.Unlock()
	sum := 0.0
	for _, estimator := range e.all {
		sum += float64(estimator.GetTargetBitrate()) / 1000
	}
	if len(e.all) == 0 {
		return 0
	}
	return sum / float64(len(e.all))
}

// congestionControl adds what a browser does besides Pion's default interceptors: transport-wide
// numbers on what is sent, and Google congestion control on what comes back of them. Nothing follows the
// estimate, and Pion's pacer, which wakes every 5 ms for each client, is left out.
func congestionControl(media *webrtc.MediaEngine, registry *interceptor.Registry, found *estimates) error {
	controller, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(gcc.SendSideBWEInitialBitrate(startRate), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()))
	})
	if err != nil {
		return err
	}
	controller.OnNewPeerConnection(found.add)
	registry.Add(controller)
	return webrtc.ConfigureTWCCHeaderExtensionSender(media, registry)
}

// newAPI leaves out what costs Pion time and the comparison does not need: multicast DNS, TCP, IPv6
// and interfaces other than the one that leads to the target. Without `congestion` there is no congestion
// control; with it, it gathers what the clients estimate.
func newAPI(local net.IP, video, interceptors bool, congestion *estimates) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := registerCodecs(media, video); err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	if interceptors {
		if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
			return nil, err
		}
	}
	if congestion != nil {
		if err := congestionControl(media, registry, congestion); err != nil {
			return nil, err
		}
	}
	settings := webrtc.SettingEngine{}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.Equal(local) })
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings)), nil
}

// localAddress is the address that this machine has towards the target.
func localAddress(hostPort string) (net.IP, error) {
	probe, err := net.Dial("udp4", hostPort)
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	return probe.LocalAddr().(*net.UDPAddr).IP, nil
}
