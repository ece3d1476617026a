"""Two streams of a Raspberry Pi camera: main yuv420p frames to stdout, low-resolution frames of the same moments to
descriptor 3.

picamera2-streams.py WIDTH HEIGHT LORES_WIDTH LORES_HEIGHT FPS

Each low-resolution frame is written before its main frame, rows without padding. Exits when the reader closes.
"""

import os
import sys

from picamera2 import Picamera2


def rows(array, width, height):
    """The planes of a YUV420 array (height * 3 / 2 rows of `stride` bytes) without padding."""
    stride = array.shape[1]
    flat = array.reshape(-1)
    luma = flat[: height * stride].reshape(height, stride)[:, :width]
    chroma = flat[height * stride : height * stride * 3 // 2].reshape(height, stride // 2)[:, : width // 2]
    return luma.tobytes() + chroma.tobytes()


def write(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main():
    width, height, lores_width, lores_height = (int(word) for word in sys.argv[1:5])
    fps = float(sys.argv[5])
    camera = Picamera2()
    camera.configure(
        camera.create_video_configuration(
            main={"size": (width, height), "format": "YUV420"},
            lores={"size": (lores_width, lores_height), "format": "YUV420"},
            controls={"FrameRate": fps},
            # no queue of old frames
            buffer_count=3,
            queue=False,
        )
    )
    camera.start()
    try:
        while True:
            request = camera.capture_request()
            try:
                small = request.make_array("lores")
                large = request.make_array("main")
            finally:
                request.release()
            write(3, rows(small, lores_width, lores_height))
            write(1, rows(large, width, height))
    except BrokenPipeError:
        pass
    finally:
        camera.stop()


main()
