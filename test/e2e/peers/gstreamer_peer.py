"""An app on GStreamer's webrtcbin, which only answers: JSON lines of signaling on stdin, what it sees on stdout."""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

Gst.init(None)
loop = GLib.MainLoop()
pipeline = Gst.Pipeline.new("app")
webrtc = Gst.ElementFactory.make("webrtcbin", "webrtc")
webrtc.set_property("bundle-policy", "max-bundle")
pipeline.add(webrtc)
kept = []
frames = 0
lock = threading.Lock()


def report(**what):
    with lock:
        print(json.dumps(what), flush=True)


def on_sample(sink):
    global frames
    sample = sink.emit("pull-sample")
    buffer = sample.get_buffer()
    ok, mapped = buffer.map(Gst.MapFlags.READ)
    luma = bytes(mapped.data)
    buffer.unmap(mapped)
    mean = sum(luma) / len(luma)
    spread = (sum((value - mean) ** 2 for value in luma) / len(luma)) ** 0.5
    frames += 1
    report(frame=frames, width=source["width"], height=source["height"], spread=spread)
    return Gst.FlowReturn.OK


source = {"width": 0, "height": 0}


def on_decoded(_, pad):
    structure = pad.get_current_caps().get_structure(0)
    if not structure.get_name().startswith("video/"):
        fake = Gst.ElementFactory.make("fakesink")
        pipeline.add(fake)
        fake.sync_state_with_parent()
        pad.link(fake.get_static_pad("sink"))
        return
    source["width"], source["height"] = structure.get_value("width"), structure.get_value("height")
    # `sync=false`: every decoded frame counts, not those that a screen would show in time
    chain = Gst.parse_bin_from_description(
        "queue ! videoconvert ! videoscale ! video/x-raw,format=GRAY8,width=160,height=90"
        " ! appsink name=sink emit-signals=true sync=false",
        True,
    )
    pipeline.add(chain)
    chain.get_by_name("sink").connect("new-sample", on_sample)
    chain.sync_state_with_parent()
    pad.link(chain.get_static_pad("sink"))


def on_pad(_, pad):
    if pad.direction != Gst.PadDirection.SRC:
        return
    decode = Gst.ElementFactory.make("decodebin")
    decode.connect("pad-added", on_decoded)
    pipeline.add(decode)
    decode.sync_state_with_parent()
    pad.link(decode.get_static_pad("sink"))


def on_channel(_, channel):
    kept.append(channel)
    channel.connect("on-message-string", lambda _, text: report(message=text))
    ping = json.dumps({"type": "ping", "n": 7})
    if channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
        channel.emit("send-string", ping)
    else:
        channel.connect("on-open", lambda _: channel.emit("send-string", ping))


def on_state(*_):
    report(state=webrtc.get_property("connection-state").value_nick)


def answer(text):
    _, message = GstSdp.SDPMessage.new_from_text(text)
    offer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, message)

    def created(promise, _):
        reply = promise.get_reply()  # its value is not a copy, and freed with it
        description = reply.get_value("answer")
        webrtc.emit("set-local-description", description, Gst.Promise.new())
        report(sdp={"type": "answer", "sdp": description.sdp.as_text()})

    def applied(promise, _):
        webrtc.emit("create-answer", None, Gst.Promise.new_with_change_func(created, None))

    webrtc.emit("set-remote-description", offer, Gst.Promise.new_with_change_func(applied, None))


def handle(line):
    told = json.loads(line)
    if "sdp" in told:
        answer(told["sdp"]["sdp"])
    if "candidate" in told:
        webrtc.emit("add-ice-candidate", told["candidate"]["sdpMLineIndex"], told["candidate"]["candidate"])
    if "close" in told:
        pipeline.set_state(Gst.State.NULL)
        loop.quit()


def read():
    for line in sys.stdin:
        GLib.idle_add(handle, line)


webrtc.connect("pad-added", on_pad)
webrtc.connect("on-data-channel", on_channel)
webrtc.connect("notify::connection-state", on_state)
webrtc.connect(
    "on-ice-candidate",
    lambda _, index, line: report(candidate={"candidate": line, "sdpMid": str(index), "sdpMLineIndex": index}),
)
pipeline.set_state(Gst.State.PLAYING)
threading.Thread(target=read, daemon=True).start()
report(state="ready")
loop.run()
