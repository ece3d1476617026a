import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClipMute } from '#services/audio/clip-mute.ts'

/** At which of these times (ms) a robot that plays clips is muted. */
function muted(clips: [at: number, duration: unknown][], times: number[]): boolean[] {
  let now = 0
  using mute = new ClipMute(
    () => undefined,
    () => now,
  )
  const played = [...clips]
  return times.map((time) => {
    for (; played[0] && played[0][0] <= time; played.shift()) {
      now = played[0][0]
      mute.play(played[0][1])
    }
    now = time
    return mute.muted
  })
}

test('a clip mutes for its duration and 200 ms', () => {
  assert.deepEqual(muted([[100, 1_000]], [99, 100, 1_299, 1_301]), [false, true, true, false])
})

test('a clip that comes during another is played after it: the time gets longer, never shorter', () => {
  assert.deepEqual(
    muted(
      [
        [0, 3_000],
        [1_000, 500],
      ],
      [2_000, 3_400, 3_699, 3_701],
    ),
    [true, true, true, false],
  )
})

test('a clip without a valid duration counts as the longest one, and a longer one as well', () => {
  for (const duration of [undefined, null, 'long', -5, Number.NaN, Number.POSITIVE_INFINITY, 1e12, {}]) {
    assert.deepEqual(muted([[0, duration]], [10_199, 10_201]), [true, false], String(duration))
  }
})

test('a flood of clips mutes for a minute at most', () => {
  const flood = Array.from({ length: 100 }, (_, i): [number, number] => [i, 10_000])
  assert.deepEqual(muted(flood, [60_000, 60_400]), [true, false])
})
