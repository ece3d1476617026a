import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack } from '#dev/harness/stack.ts'
import { measureDemand, START } from './demand.ts'
import { rawSource, writeRawClip } from './raw-camera.ts'
import type { GrowthRow } from './row.ts'

const GROUP = 'layers at once'
const CAMERA = { width: 1280, height: 720, fps: 15 }
const DEMANDS = [
  { high: 1_500_000 },
  { high: 1_500_000, medium: 900_000 },
  { high: 1_500_000, medium: 900_000, low: 400_000 },
]

/** `vision` with one, two and three layers of a 720p15 camera. */
export async function measureLayers(): Promise<GrowthRow[]> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-growth-'))
  const source = rawSource(await writeRawClip(folder.path, CAMERA), CAMERA)
  await using stack = await startStack(
    {
      vision: { source, detector: { enabled: false }, overlay: false, snapshot_fps: 0 },
    },
    START,
  )
  const rows: GrowthRow[] = []
  for (const demand of DEMANDS) {
    const name = `${Object.keys(demand).length}: ${Object.keys(demand).join(', ')}`
    rows.push({ group: GROUP, name, ...(await measureDemand(stack, demand)) })
  }
  return rows
}
