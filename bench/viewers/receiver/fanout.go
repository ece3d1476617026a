package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// fanout sends the same video to every viewer, without congestion control: the limit of what a server can save.
type fanout struct {
	api   *webrtc.API
	track *webrtc.TrackLocalStaticSample
	peers map[string]*webrtc.PeerConnection
}

func newFanout(api *webrtc.API, video *os.File) *fanout {
	track, err := webrtc.NewTrackLocalStaticSample(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000}, "video", "robot")
	if err != nil {
		panic(err)
	}
	go forward(video, track)
	return &fanout{api, track, map[string]*webrtc.PeerConnection{}}
}

// forward reads access units, each behind its length in four bytes.
func forward(video io.Reader, track *webrtc.TrackLocalStaticSample) {
	reader := bufio.NewReaderSize(video, 256*1024)
	for {
		var size uint32
		if binary.Read(reader, binary.BigEndian, &size) != nil {
			return
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(reader, data); err != nil {
			return
		}
		_ = track.WriteSample(media.Sample{Data: data, Duration: time.Second / 15})
	}
}

func (f *fanout) handle(message Message) error {
	if pc := f.peers[message.ID]; pc != nil {
		return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: message.SDP})
	}
	pc, err := f.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	f.peers[message.ID] = pc
	sender, err := pc.AddTrack(f.track)
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buffer); err != nil {
				return
			}
		}
	}()
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	go func() {
		<-gathered
		reply(Message{ID: message.ID, SDP: pc.LocalDescription().SDP})
	}()
	return nil
}
