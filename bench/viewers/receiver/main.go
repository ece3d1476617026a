// Receivers that do not decode, and a fan-out server to compare with, for bench/viewers.ts.
//
//	receiver receive   answers the offers on stdin, or offers when asked to, and reports what arrives
//	receiver fanout    offers the video of file descriptor 3 to each id on stdin
//
// stdin and stdout carry one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

// Message is one line in either direction.
type Message struct {
	ID    string  `json:"id,omitempty"`
	SDP   string  `json:"sdp,omitempty"`
	Offer bool    `json:"offer,omitempty"`
	Stats string  `json:"stats,omitempty"`
	Error string  `json:"error,omitempty"`
	All   []Stats `json:"all,omitempty"`
}

var writing sync.Mutex

func reply(message Message) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	writing.Lock()
	defer writing.Unlock()
	fmt.Printf("%s\n", line)
}

// newAPI has NACK, receiver and sender reports, and transport-wide feedback, as browsers do.
func newAPI() (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry)), nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: receiver receive|fanout")
		os.Exit(2)
	}
	api, err := newAPI()
	if err != nil {
		panic(err)
	}
	handle := newReceivers(api).handle
	if os.Args[1] == "fanout" {
		handle = newFanout(api, os.NewFile(3, "video")).handle
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 64*1024), 1024*1024)
	for lines.Scan() {
		var message Message
		if err := json.Unmarshal(lines.Bytes(), &message); err != nil {
			panic(err)
		}
		if err := handle(message); err != nil {
			reply(Message{ID: message.ID, Error: err.Error()})
		}
	}
}
