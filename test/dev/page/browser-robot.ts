/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { BrowserContext, Page } from 'playwright-core'
import type { Frame, Party } from '../peers.ts'

interface RobotSide {
  offer(sessionId: string): Promise<string>
  answer(sessionId: string, sdp: RTCSessionDescriptionInit): Promise<void>
  candidate(sessionId: string, candidate: RTCIceCandidateInit): Promise<void>
  close(sessionId: string): void
  /** Whatever came on data channels, and when, ms. */
  heard: { at: number; message: Record<string, unknown> }[]
  /** Closes the data channels alone. */
  hush(): void
  /** Stops or continues to paint frames. */
  freeze(frozen: boolean): void
  /** Says this on every data channel. */
  tell(message: object): void
}

declare global {
  // the robot's page's own global
  var robot: RobotSide
}

/**
 * Lets a page of the browser be the robot behind `device`: it offers a picture with the synthetic source's clock in it, and a
 * data channel, on request. Frames of other kinds are left to the test.
 */
export async function actAsRobot(browser: BrowserContext, device: Party): Promise<Page> {
  const page = await browser.newPage()
  await page.evaluate(robotSide)
  const { socket } = device
  socket.on('message', (data) => {
    const frame = JSON.parse(data.toString())
    answerTo(page, device, frame).catch(() => {}) // the page is closed
  })
  return page
}

async function answerTo(page: Page, device: Party, frame: Frame): Promise<void> {
  const session_id = String(frame.session_id)
  if (frame.type === 'webrtc_request') {
    const sdp = await page.evaluate((id) => globalThis.robot.offer(id), session_id)
    device.send({ type: 'webrtc_offer', session_id, sdp: { type: 'offer', sdp } })
  } else if (frame.type === 'webrtc_answer') {
    const sdp = frame.sdp as RTCSessionDescriptionInit
    await page.evaluate(([id, answer]) => globalThis.robot.answer(id, answer), [session_id, sdp] as const)
  } else if (frame.type === 'webrtc_ice') {
    const candidate = frame.candidate as RTCIceCandidateInit
    await page.evaluate(([id, it]) => globalThis.robot.candidate(id, it), [session_id, candidate] as const)
  } else if (frame.type === 'webrtc_close' || frame.type === 'session_ended') {
    await page.evaluate((id) => globalThis.robot.close(id), session_id)
  }
}

/** Runs in the page. */
function robotSide(): void {
  const canvas = document.createElement('canvas')
  canvas.width = 320
  canvas.height = 180
  const context = canvas.getContext('2d', { alpha: false })
  let frozen = false
  const paint = () => {
    if (!context || frozen) return
    context.fillStyle = '#357'
    context.fillRect(0, 0, 320, 180)
    const now = Date.now()
    for (let bit = 0; bit < 32; bit++) {
      context.fillStyle = bit < 31 && Math.floor(now / 2 ** bit) % 2 ? '#fff' : '#000'
      context.fillRect(bit * 8, 2, 8, 8)
    }
  }
  setInterval(paint, 66)
  paint()
  const stream = canvas.captureStream()
  const peers = new Map<string, RTCPeerConnection>()
  const channels = new Set<RTCDataChannel>()
  const heard: RobotSide['heard'] = []
  const listen = (channel: RTCDataChannel) => {
    channels.add(channel)
    channel.onmessage = ({ data }) => heard.push({ at: performance.now(), message: JSON.parse(data) })
    channel.onclose = () => channels.delete(channel)
  }
  globalThis.robot = {
    heard,
    freeze: (value) => {
      frozen = value
    },
    hush: () => {
      for (const channel of channels) channel.close()
    },
    tell: (message) => {
      for (const channel of channels) if (channel.readyState === 'open') channel.send(JSON.stringify(message))
    },
    async offer(id) {
      peers.get(id)?.close()
      const pc = new RTCPeerConnection()
      peers.set(id, pc)
      const [video] = stream.getVideoTracks()
      if (video) pc.addTransceiver(video, { direction: 'sendonly', streams: [stream] })
      listen(pc.createDataChannel('control', { ordered: false, maxRetransmits: 0 }))
      await pc.setLocalDescription()
      await new Promise<void>((resolve) => {
        const check = () => pc.iceGatheringState === 'complete' && resolve()
        pc.onicegatheringstatechange = check
        check()
      })
      return pc.localDescription?.sdp ?? ''
    },
    answer: async (id, sdp) => peers.get(id)?.setRemoteDescription(sdp),
    candidate: async (id, candidate) => peers.get(id)?.addIceCandidate(candidate),
    close: (id) => peers.get(id)?.close(),
  }
}
