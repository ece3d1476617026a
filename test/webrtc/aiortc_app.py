"""An app that only answers, on aiortc: JSON lines of signaling on stdin, what it sees on stdout, the sound (s16le, mono) in a file."""

import asyncio
import json
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp


def say(**what):
    print(json.dumps(what), flush=True)


async def decode(track):
    count = 0
    try:
        while True:
            frame = await track.recv()
            count += 1
            if track.kind == "video":
                luma = frame.to_ndarray(format="gray")
                say(frame=count, width=frame.width, height=frame.height, spread=float(luma.std()))
            elif len(sys.argv) > 1:
                # interleaved
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
                with open(sys.argv[1], "ab") as file:
                    file.write(samples.astype("<i2").tobytes())
                say(sound=count, rate=frame.sample_rate)
    except MediaStreamError:
        say(ended=track.kind)


async def main():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tasks = []

    @pc.on("track")
    def on_track(track):
        say(track=track.kind)
        tasks.append(asyncio.ensure_future(decode(track)))

    @pc.on("datachannel")
    def on_channel(channel):
        channel.on("message", lambda text: say(message=text))
        channel.send(json.dumps({"type": "ping", "n": 7}))

    @pc.on("connectionstatechange")
    def on_state():
        say(state=pc.connectionState)

    stdin = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        frame = json.loads(line)
        if "sdp" in frame:
            await pc.setRemoteDescription(RTCSessionDescription(**frame["sdp"]))
            await pc.setLocalDescription(await pc.createAnswer())
            say(sdp={"type": "answer", "sdp": pc.localDescription.sdp})
        elif "candidate" in frame:
            given = frame["candidate"]
            candidate = candidate_from_sdp(given["candidate"].split(":", 1)[1])
            candidate.sdpMid = given["sdpMid"]
            await pc.addIceCandidate(candidate)
    await pc.close()


asyncio.run(main())
