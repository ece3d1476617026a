"""The usual design of a robot in Python: aiortc, one MediaRelay, and an encoder for each viewer.

One JSON object a line: {"id"} on stdin asks for an offer, {"id", "sdp"} carries the answer; offers leave on stdout.
"""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRelay


async def main(clip: str) -> None:
    player = MediaPlayer(clip, loop=True)
    relay = MediaRelay()
    codecs = RTCRtpSender.getCapabilities("video").codecs
    h264 = [codec for codec in codecs if codec.mimeType == "video/H264"]
    peers: dict[str, RTCPeerConnection] = {}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        message = json.loads(line)
        name, sdp = message["id"], message.get("sdp")
        if sdp:
            await peers[name].setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            continue
        peer = peers[name] = RTCPeerConnection()
        peer.addTrack(relay.subscribe(player.video))
        peer.getTransceivers()[0].setCodecPreferences(h264)
        await peer.setLocalDescription(await peer.createOffer())
        print(json.dumps({"id": name, "sdp": peer.localDescription.sdp}), flush=True)


asyncio.run(main(sys.argv[1]))
