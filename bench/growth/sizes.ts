import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { print } from '#dev/harness/print.ts'
import { startStack } from '#dev/harness/stack.ts'
import { measureDemand, START } from './demand.ts'
import { rawSource, startFfmpeg, writeRawClip } from './raw-camera.ts'
import type { GrowthRow } from './row.ts'

const GROUP = 'camera'
const SIZES = [
  { name: '360p', width: 640, height: 360, bitrate: 500_000 },
  { name: '720p', width: 1280, height: 720, bitrate: 1_500_000 },
  { name: '1080p', width: 1920, height: 1080, bitrate: 1_500_000 },
]
const RATES = [15, 30]
/** The highest layer: larger frames are scaled down. */
const MAX_HEIGHT = 720
/** Bitrate at 30/s, as a multiple of that at 15. */
const DOUBLE_RATE = 1.5

/** `vision` and FFmpeg with the same stream, for each size and rate of the camera. */
export async function measureSizes(): Promise<GrowthRow[]> {
  const rows: GrowthRow[] = []
  for (const { name, bitrate: base, ...size } of SIZES) {
    for (const fps of RATES) {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-growth-'))
      const camera = { ...size, fps }
      const raw = await writeRawClip(folder.path, camera)
      const bitrate = fps > 15 ? base * DOUBLE_RATE : base
      const factor = Math.min(1, MAX_HEIGHT / size.height)
      const encoded = { width: size.width * factor, height: size.height * factor, bitrate }
      await using stack = await startStack(
        {
          webrtc: { stun_servers: [], video: { ...size, fps } },
          vision: {
            source: rawSource(raw, camera),
            detector: { enabled: false },
            overlay: false,
            snapshot_fps: 0,
          },
        },
        START,
      )
      const peers = startFfmpeg(raw, camera, encoded)
      try {
        const beside = new Map([['ffmpeg', peers[0]?.pid ?? 0]])
        rows.push({
          group: GROUP,
          name: `${name} at ${fps}/s`,
          ...(await measureDemand(stack, { high: bitrate }, beside)),
        })
      } finally {
        for (const peer of peers) peer.kill('SIGKILL')
      }
    }
  }
  print(`frames higher than ${MAX_HEIGHT} are scaled down by both, as ${MAX_HEIGHT} is the highest layer`)
  print()
  return rows
}
