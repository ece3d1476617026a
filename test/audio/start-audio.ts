import type { TestContext } from 'node:test'
import { decodeOpusPacket } from '#bus/opus-packet.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { AudioSection } from '#services/audio/config.ts'
import { startAudio } from '#services/audio/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

/** The command of a program that plays chirps in real time. */
export function player(...args: string[]): string[] {
  return [process.execPath, 'test/audio/play.ts', ...args]
}

/** The service on an in-memory broker, and an app that needs its sound. */
export async function startTestAudio(t: TestContext, section: object, dataDir = temporaryFolder(t)) {
  const memory = await memoryBus(t)
  const app = await memory.connect('app')
  const states = await collect(app, topics.audioState)
  const packets = await collect(app, topics.opus)
  const service = await startAudio({
    bus: await memory.connect('audio'),
    config: { audio: AudioSection.parse(section), data_dir: dataDir },
    log: memory.log,
  })
  t.after(() => service[Symbol.asyncDispose]())
  return {
    ...memory,
    app,
    states,
    packets,
    service,
    demand: () => app.publish(topics.audioDemand, { until: Date.now() + 60_000 }, { who: 'debug' }),
    withdraw: () => app.publish(topics.audioDemand, null, { who: 'debug' }),
    setMode: (mode: string) => app.publish(topics.telemetry, { mode }, { source: 'mode' }),
    play: (duration_ms: number) =>
      app.publish(
        topics.command,
        {
          id: `clip-${duration_ms}`,
          name: 'ptt_play',
          params: { data: '', format: 'aac', duration_ms },
          source: 'relay',
          received_at: Date.now(),
        },
        { name: 'ptt_play' },
      ),
    /** The next packets, decoded headers included. */
    async next(count: number) {
      const taken = []
      for (let i = 0; i < count; i++) taken.push(decodeOpusPacket((await packets.next()).payload))
      return taken
    },
  }
}
