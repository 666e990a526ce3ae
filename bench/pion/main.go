// A small WHIP load generator on Pion: the yardstick that Squall is measured beside. It sends the same
// packets as Squall does (50 audio packets/s, and with -video 1 Mbit/s of VP8 at 25 fps), counts what
// an echo sends back, and prints one line of JSON. Media starts when all clients are connected, so that
// the cost of setting up and that of a call do not mix.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v3"
)

type options struct {
	target         string
	clients        int
	rate           float64
	warm, hold     time.Duration
	video, verbose bool
	noInterceptors bool
	congestion     bool
	ivf            string
}

type result struct {
	Clients             int     `json:"clients"`
	Connected           int     `json:"connected"`
	Failed              int     `json:"failed"`
	NoMedia             int     `json:"no_media"`
	FirstError          string  `json:"first_error,omitempty"`
	HoldS               float64 `json:"hold_s"`
	CPUUSPerClientS     float64 `json:"cpu_us_per_client_second"`
	RSSKBPerClient      float64 `json:"rss_kb_per_client"`
	RSSBaseKB           float64 `json:"rss_base_kb"`
	SentPerClientS      float64 `json:"sent_packets_per_client_second"`
	AudioPerClientS     float64 `json:"received_audio_packets_per_client_second"`
	VideoPerClientS     float64 `json:"received_video_packets_per_client_second"`
	EstimateKbps        float64 `json:"estimate_kbps,omitempty"`
	SetupCPUUSPerClient float64 `json:"setup_cpu_us_per_client"`
	SetupsPerS          float64 `json:"setups_per_second"`
	SetupP50MS          float64 `json:"setup_ms_p50"`
	SetupMaxMS          float64 `json:"setup_ms_max"`
}

func parseOptions() (*options, error) {
	o := &options{}
	flag.StringVar(&o.target, "url", "", "WHIP end point, http(s)://…")
	flag.IntVar(&o.clients, "clients", 10, "number of clients")
	flag.Float64Var(&o.rate, "rate", 20, "set-ups per second")
	flag.DurationVar(&o.warm, "warm", 3*time.Second, "media before the measured window")
	flag.DurationVar(&o.hold, "hold", 20*time.Second, "the measured window")
	flag.BoolVar(&o.video, "video", false, "send video too")
	flag.StringVar(&o.ivf, "ivf", "", "take the video from this VP8 .ivf file")
	flag.BoolVar(&o.noInterceptors, "no-interceptors", false, "without NACK, RTCP reports and transport-wide feedback")
	flag.BoolVar(&o.congestion, "congestion-control", false, "with transport-wide numbers on what is sent, and Google congestion control")
	flag.BoolVar(&o.verbose, "v", false, "say what happens, on stderr")
	flag.Parse()
	if o.target == "" || o.clients < 1 || o.rate <= 0 || flag.NArg() > 0 {
		return nil, fmt.Errorf("-url is needed, -clients and -rate are above 0")
	}
	return o, nil
}

// rampUp starts the clients at their intended times and waits for all of them.
func rampUp(o *options, api *webrtc.API, r *result) ([]*client, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// One certificate for all, as Squall has a pool: making one costs as much as a handshake.
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients}, Timeout: setupTimeout}
	var (
		lock    sync.Mutex
		waiting sync.WaitGroup
		clients []*client
		times   []float64
		start   = time.Now()
	)
	for i := 0; i < o.clients; i++ {
		intended := start.Add(time.Duration(float64(i) / o.rate * float64(time.Second)))
		time.Sleep(time.Until(intended))
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			c, err := connect(api, *certificate, web, o.target, o.video)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				if r.Failed++; r.FirstError == "" {
					r.FirstError = err.Error()
				}
				return
			}
			times = append(times, float64(time.Since(intended).Microseconds())/1000)
			clients = append(clients, c)
		}()
	}
	waiting.Wait()
	r.Connected = len(clients)
	r.SetupsPerS = float64(len(clients)) / time.Since(start).Seconds()
	if sort.Float64s(times); len(times) > 0 {
		r.SetupP50MS, r.SetupMaxMS = times[len(times)/2], times[len(times)-1]
	}
	return clients, nil
}

type counts struct{ sent, audio, video uint64 }

func (c *client) counts() counts {
	return counts{atomic.LoadUint64(&c.sent), atomic.LoadUint64(&c.audioPacket), atomic.LoadUint64(&c.videoPacket)}
}

// holdCall measures the window in which all clients only send and receive.
func holdCall(o *options, clients []*client, r *result) error {
	before := make([]counts, len(clients))
	for i, c := range clients {
		before[i] = c.counts()
	}
	cpuBefore, err := cpuUS()
	if err != nil {
		return err
	}
	start := time.Now()
	time.Sleep(o.hold)
	cpuAfter, err := cpuUS()
	if err != nil {
		return err
	}
	r.HoldS = time.Since(start).Seconds()
	var sum counts
	for i, c := range clients {
		now := c.counts()
		audio, video := now.audio-before[i].audio, now.video-before[i].video
		if audio == 0 || (o.video && video == 0) {
			r.NoMedia++
		}
		sum.sent += now.sent - before[i].sent
		sum.audio += audio
		sum.video += video
	}
	clientSeconds := r.HoldS * float64(len(clients))
	r.CPUUSPerClientS = (cpuAfter - cpuBefore) / clientSeconds
	r.SentPerClientS = float64(sum.sent) / clientSeconds
	r.AudioPerClientS = float64(sum.audio) / clientSeconds
	r.VideoPerClientS = float64(sum.video) / clientSeconds
	rss, err := rssKB()
	if err != nil {
		return err
	}
	r.RSSKBPerClient = (rss - r.RSSBaseKB) / float64(len(clients))
	return nil
}

func run(o *options) (*result, error) {
	target, err := url.Parse(o.target)
	if err != nil {
		return nil, err
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	local, err := localAddress(net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return nil, err
	}
	media := syntheticClip()
	if o.ivf != "" {
		if media, err = ivfClip(o.ivf); err != nil {
			return nil, err
		}
	}
	var congestion *estimates
	if o.congestion {
		congestion = &estimates{}
	}
	api, err := newAPI(local, o.video, !o.noInterceptors, congestion)
	if err != nil {
		return nil, err
	}

	r := &result{Clients: o.clients}
	if r.RSSBaseKB, err = rssKB(); err != nil {
		return nil, err
	}
	cpuBefore, err := cpuUS()
	if err != nil {
		return nil, err
	}
	clients, err := rampUp(o, api, r)
	if err != nil {
		return nil, err
	}
	cpuAfter, err := cpuUS()
	if err != nil {
		return nil, err
	}
	r.SetupCPUUSPerClient = (cpuAfter - cpuBefore) / float64(o.clients)
	if o.verbose {
		fmt.Fprintf(os.Stderr, "connected %d, failed %d\n", r.Connected, r.Failed)
	}
	if len(clients) == 0 {
		return r, nil
	}

	stop := make(chan struct{})
	for i, c := range clients {
		go c.send(media, time.Duration(i%20)*time.Millisecond, stop)
	}
	time.Sleep(o.warm)
	// The runner that started this program waits for the line and then measures from outside.
	fmt.Fprintln(os.Stderr, "holding")
	if err := holdCall(o, clients, r); err != nil {
		return nil, err
	}
	if congestion != nil {
		r.EstimateKbps = congestion.meanKbps()
	}
	close(stop)
	for _, c := range clients {
		c.close()
	}
	return r, nil
}

func main() {
	o, err := parseOptions()
	if err == nil {
		var r *result
		if r, err = run(o); err == nil {
			line, _ := json.Marshal(r)
			fmt.Println(string(line))
			if r.Failed > 0 || r.NoMedia > 0 {
				fmt.Fprintf(os.Stderr, "pion-client: %d of %d failed, %d without media: %s\n", r.Failed, r.Clients, r.NoMedia, r.FirstError)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "pion-client:", err)
	os.Exit(2)
}
