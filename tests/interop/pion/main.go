// A WHIP session of Pion's, from either side, as harness/counterpart.py drives it:
//
//	pion-peer offer URL SECONDS -media FOLDER [-data]
//	pion-peer answer ADDRESS SECONDS -media FOLDER
//
// It sends the frames of FOLDER, writes what it receives there, and tells what happens as a line of JSON each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pion/webrtc/v3"
)

const (
	connectTimeout = 20 * time.Second
	settle         = 700 * time.Millisecond
	last           = 400 * time.Millisecond
	sdpMaxBytes    = 64 * 1024
)

type event map[string]interface{}

func tell(name string, more event) {
	if more == nil {
		more = event{}
	}
	more["event"] = name
	line, _ := json.Marshal(more)
	fmt.Println(string(line))
}

// hold tells of the connection, sends media for a while, and tells the figures once all has arrived.
func hold(p *peer, began time.Time, media time.Duration) error {
	select {
	case <-p.connected:
	case <-time.After(connectTimeout):
		return fmt.Errorf("not connected: %s", p.pc.ConnectionState())
	}
	tell("connected", event{"ms": time.Since(began).Milliseconds()})
	p.sendMedia(media)
	time.Sleep(settle)
	tell("quiet", p.figures())
	return nil
}

func request(method, target, body string) (*http.Response, string, error) {
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Content-Type", "application/sdp")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, sdpMaxBytes))
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s %s", method, target, response.Status, text)
	}
	return response, string(text), err
}

func localAddress(target *url.URL) (net.IP, error) {
	probe, err := net.Dial("udp4", target.Host)
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	return probe.LocalAddr().(*net.UDPAddr).IP, nil
}

func offer(target, address, folder string, media time.Duration, data bool) error {
	p, err := newPeer(net.ParseIP(address), folder)
	if err != nil {
		return err
	}
	if err := p.addTracks(); err != nil {
		return err
	}
	if data {
		channel, err := p.pc.CreateDataChannel("interop", nil)
		if err != nil {
			return err
		}
		p.useChannel(channel, false)
	}
	description, err := p.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	text, err := p.gather(description)
	if err != nil {
		return err
	}
	began := time.Now()
	response, answer, err := request(http.MethodPost, target, text)
	if err != nil {
		return err
	}
	session, err := response.Location()
	if err != nil {
		return err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return err
	}
	if err := hold(p, began, media); err != nil {
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if _, _, err := request(http.MethodDelete, session.String(), ""); err != nil {
		return err
	}
	tell("over", p.figures())
	_ = p.pc.Close() // the other side may have closed its part before
	return nil
}

func (p *peer) answer(text string) (string, error) {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		return "", err
	}
	if err := p.addTracks(); err != nil {
		return "", err
	}
	description, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	return p.gather(description)
}

func answer(address, folder string, media time.Duration) error {
	p, err := newPeer(net.ParseIP(address), folder)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return err
	}
	tell("listening", event{"port": listener.Addr().(*net.TCPAddr).Port})
	offered, over := make(chan time.Time, 1), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			began := time.Now()
			body, _ := io.ReadAll(io.LimitReader(r.Body, sdpMaxBytes))
			text, err := p.answer(string(body))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/sdp")
			w.Header().Set("Location", "/session/1")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, text)
			offered <- began
		case http.MethodDelete:
			close(over)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	if err := hold(p, <-offered, media); err != nil {
		return err
	}
	<-over
	time.Sleep(last)
	more := p.figures()
	more["state"] = p.pc.ConnectionState().String()
	tell("over", more)
	_ = p.pc.Close() // the other side may have closed its part before
	return nil
}

func run(arguments []string) error {
	data := len(arguments) == 6 && arguments[5] == "-data"
	if (len(arguments) != 5 && !data) || arguments[3] != "-media" {
		return fmt.Errorf("usage: pion-peer offer URL | answer ADDRESS  SECONDS -media FOLDER [-data]")
	}
	seconds, err := strconv.ParseFloat(arguments[2], 64)
	if err != nil {
		return err
	}
	media := time.Duration(seconds * float64(time.Second))
	if arguments[0] == "answer" {
		return answer(arguments[1], arguments[4], media)
	}
	target, err := url.Parse(arguments[1])
	if err != nil {
		return err
	}
	address, err := localAddress(target)
	if err != nil {
		return err
	}
	return offer(target.String(), address.String(), arguments[4], media, data)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pion-peer:", err)
		os.Exit(1)
	}
}
