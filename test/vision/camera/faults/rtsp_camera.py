"""A network camera for tests: `rtsp_camera.py PORT WIDTH HEIGHT [options]` serves rtsp://127.0.0.1:PORT/live.

Prints "ready" when it listens. A line "WIDTH HEIGHT" on its input changes the size of the running video.
"""

import argparse
import random
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
parser = argparse.ArgumentParser()
parser.add_argument("port")
parser.add_argument("size", nargs=2)
parser.add_argument("--codec", choices=["h264", "h265"], default="h264")
parser.add_argument("--transport", choices=["TCP", "UDP"], help="the only one that is accepted")
parser.add_argument("--loss", type=float, default=0, help="fraction of RTP packets that are not sent")
options = parser.parse_args()
running = []
lost = random.Random(1)
# small packets, so that a frame has many and a lost one damages a part
ENCODERS = {
    "h264": "openh264enc gop-size=10 ! h264parse config-interval=-1 ! rtph264pay",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=2000"
    " ! h265parse config-interval=-1 ! rtph265pay mtu=500",
}


def caps(width, height):
    return f"video/x-raw,format=I420,width={width},height={height},framerate=25/1"


def is_sent():
    return lost.random() >= options.loss


def drop(pad, info):
    if not info.type & Gst.PadProbeType.BUFFER_LIST:
        return Gst.PadProbeReturn.OK if is_sent() else Gst.PadProbeReturn.DROP
    packets = info.get_buffer_list()
    rest = Gst.BufferList.new()
    for i in range(packets.length()):
        if is_sent():
            rest.insert(-1, packets.get(i).copy())
    if rest.length() == packets.length():
        return Gst.PadProbeReturn.OK
    if rest.length():
        pad.push_list(rest)
    return Gst.PadProbeReturn.DROP


def configured(_, media):
    element = media.get_element()
    running[:] = [element.get_by_name("size")]
    if options.loss:
        pad = element.get_by_name("pay0").get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, drop)


def listen():
    for line in sys.stdin:
        wanted = Gst.Caps.from_string(caps(*line.split()))
        for element in running:
            GLib.idle_add(element.set_property, "caps", wanted)


factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( videotestsrc is-live=true horizontal-speed=7 ! capsfilter name=size caps={caps(*options.size)}"
    f" ! {ENCODERS[options.codec]} name=pay0 pt=96 )"
)
factory.set_shared(True)
if options.transport:
    factory.set_protocols(getattr(GstRtsp.RTSPLowerTrans, options.transport))
factory.connect("media-configure", configured)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(options.port)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
threading.Thread(target=listen, daemon=True).start()
GLib.MainLoop().run()
