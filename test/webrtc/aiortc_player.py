"""A WHEP player on aiortc: posts an offer to the URL of its first argument, prints a JSON line for each decoded frame."""

import asyncio
import json
import sys
import urllib.request

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

url, token = sys.argv[1:3]


def call(method, target, body=None, **headers):
    request = urllib.request.Request(target, method=method, data=body)
    request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    return urllib.request.urlopen(request)


async def decode(track):
    count = 0
    try:
        while True:
            frame = await track.recv()
            count += 1
            luma = frame.to_ndarray(format="gray")
            spread = float(luma.std())
            print(json.dumps({"frame": count, "width": frame.width, "spread": spread}), flush=True)
    except MediaStreamError:
        print(json.dumps({"ended": True}), flush=True)


async def main():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    pc.addTransceiver("audio", direction="recvonly")

    @pc.on("track")
    def on_track(track):
        if track.kind == "video":
            asyncio.ensure_future(decode(track))

    await pc.setLocalDescription(await pc.createOffer())
    offer = pc.localDescription.sdp.encode()
    answer = await asyncio.to_thread(call, "POST", url, offer, Content_Type="application/sdp")
    location = urllib.parse.urljoin(url, answer.headers["Location"])
    print(json.dumps({"status": answer.status, "location": location}), flush=True)
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer.read().decode(), type="answer"))
    # until the parent closes stdin
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps({"deleted": call("DELETE", location).status}), flush=True)
    await pc.close()


asyncio.run(main())
