package main

import (
	"math"
	"sort"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// Stats of one viewer since the previous request; times in ms.
type Stats struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Frames  int       `json:"frames"`
	Packets int       `json:"packets"`
	Bytes   int       `json:"bytes"`
	Audio   int       `json:"audio"`
	Lost    int       `json:"lost"`
	First   float64   `json:"first"`
	Gaps    []float64 `json:"gaps"`
	// Deviation of each interval between frames from that of their RTP timestamps.
	Jitter []float64 `json:"jitter"`
}

type viewer struct {
	mutex     sync.Mutex
	stats     Stats
	pc        *webrtc.PeerConnection
	offeredAt time.Time
}

type receivers struct {
	api     *webrtc.API
	viewers map[string]*viewer
}

func newReceivers(api *webrtc.API) *receivers {
	return &receivers{api, map[string]*viewer{}}
}

func (r *receivers) handle(message Message) error {
	switch {
	case message.Stats != "":
		all := []Stats{}
		for _, one := range r.viewers {
			all = append(all, one.take())
		}
		sort.Slice(all, func(a, b int) bool { return all[a].ID < all[b].ID })
		reply(Message{Stats: message.Stats, All: all})
		return nil
	case message.Offer:
		return r.offer(message.ID)
	case message.SDP == "":
		if one := r.viewers[message.ID]; one != nil {
			delete(r.viewers, message.ID)
			return one.pc.Close()
		}
		return nil
	case r.viewers[message.ID] != nil:
		return r.viewers[message.ID].pc.SetRemoteDescription(
			webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: message.SDP})
	default:
		return r.answer(message.ID, message.SDP)
	}
}

func (r *receivers) open(id string) (*webrtc.PeerConnection, error) {
	pc, err := r.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	one := &viewer{pc: pc, offeredAt: time.Now()}
	one.stats.ID = id
	r.viewers[id] = one
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { one.read(track) })
	return pc, nil
}

// describe applies our own description and replies with it when all candidates are in.
func describe(id string, pc *webrtc.PeerConnection, own webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(own); err != nil {
		return err
	}
	go func() {
		<-gathered
		reply(Message{ID: id, SDP: pc.LocalDescription().SDP})
	}()
	return nil
}

// offer is for servers that answer (WHEP).
func (r *receivers) offer(id string) error {
	pc, err := r.open(id)
	if err != nil {
		return err
	}
	receive := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, receive); err != nil {
		return err
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	return describe(id, pc, offer)
}

func (r *receivers) answer(id, sdp string) error {
	pc, err := r.open(id)
	if err != nil {
		return err
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return describe(id, pc, answer)
}

// take returns the statistics and starts new ones.
func (v *viewer) take() Stats {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	taken := v.stats
	taken.State = v.pc.ConnectionState().String()
	v.stats = Stats{ID: taken.ID, First: taken.First}
	return taken
}

// read counts the packets of one track. A frame ends with the marker bit.
func (v *viewer) read(track *webrtc.TrackRemote) {
	isVideo := track.Kind() == webrtc.RTPCodecTypeVideo
	var lastAt time.Time
	var lastTimestamp uint32
	var lastSequence uint16
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		now := time.Now()
		v.mutex.Lock()
		if !isVideo {
			v.stats.Audio++
			v.mutex.Unlock()
			continue
		}
		v.stats.Packets++
		v.stats.Bytes += len(packet.Payload)
		step := packet.SequenceNumber - lastSequence
		if lastSequence != 0 && step > 1 && step < 0x8000 {
			v.stats.Lost += int(step) - 1
			// the packets are missing for good when NACK has not brought them; a decoder would freeze
			_ = v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
		}
		if step < 0x8000 {
			lastSequence = packet.SequenceNumber
		}
		if packet.Marker {
			v.stats.Frames++
			if v.stats.First == 0 {
				v.stats.First = float64(now.Sub(v.offeredAt).Microseconds()) / 1000
			}
			if !lastAt.IsZero() {
				gap := float64(now.Sub(lastAt).Microseconds()) / 1000
				v.stats.Gaps = append(v.stats.Gaps, gap)
				sent := float64(int32(packet.Timestamp-lastTimestamp)) / 90
				v.stats.Jitter = append(v.stats.Jitter, math.Abs(gap-sent))
			}
			lastAt, lastTimestamp = now, packet.Timestamp
		}
		v.mutex.Unlock()
	}
}
