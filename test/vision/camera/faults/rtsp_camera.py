"""A network camera for tests: `rtsp_camera.py PORT WIDTH HEIGHT` serves rtsp://127.0.0.1:PORT/live, in H.264.

Says "ready" when it listens. A line "WIDTH HEIGHT" on its input changes the size of the running pictures.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
port, *size = sys.argv[1:]
running = []


def caps(width, height):
    return f"video/x-raw,format=I420,width={width},height={height},framerate=25/1"


def configured(_, media):
    running[:] = [media.get_element().get_by_name("size")]


def listen():
    for line in sys.stdin:
        wanted = Gst.Caps.from_string(caps(*line.split()))
        for element in running:
            GLib.idle_add(element.set_property, "caps", wanted)


factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( videotestsrc is-live=true ! capsfilter name=size caps={caps(*size)}"
    " ! openh264enc gop-size=10 ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
factory.connect("media-configure", configured)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
threading.Thread(target=listen, daemon=True).start()
GLib.MainLoop().run()
