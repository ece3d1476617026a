import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { MicrophoneState, SoundState } from '#services/webrtc/audio/microphone-state.ts'
import { ViewerSound } from '#services/webrtc/audio/viewer-sound.ts'

function open(state: SoundState = { state: 'live' }) {
  const microphone = Object.assign(new EventEmitter(), { current: state })
  const log: unknown[] = []
  const sound = new ViewerSound({
    microphone: microphone as unknown as MicrophoneState,
    send: () => {
      log.push('send')
      return { [Symbol.dispose]: () => log.push('end') }
    },
    limitVideoDelay: (ms) => log.push(ms),
    tell: (message) => log.push(message),
  })
  return {
    sound,
    log,
    become(next: SoundState) {
      microphone.current = next
      microphone.emit('change')
    },
  }
}

test('an app that says nothing gets the sound, and no message', () => {
  const { sound, log, become } = open()
  assert.deepEqual(log, [])
  sound.start()
  become({ state: 'failed', reason: 'x' })
  sound.announce()
  sound[Symbol.dispose]()
  assert.deepEqual(log, ['send', 200, 'end', 0])
})

test('while a viewer does not hear, nothing is sent, and the video waits for nothing', () => {
  const { sound, log } = open()
  assert.equal(sound.handle({ on: false }), true)
  sound.start()
  assert.deepEqual(log, [{ type: 'sound', state: 'live' }])
  sound.handle({ on: true })
  sound.handle({ on: true })
  sound.handle({ on: false })
  assert.deepEqual(
    log.filter((one) => typeof one !== 'object'),
    ['send', 200, 'end', 0],
  )
})

test('a viewer that listens is told of a microphone that fails and comes back', () => {
  const { sound, log, become } = open()
  sound.start()
  sound.handle({ on: true })
  become({ state: 'failed', reason: 'no such device' })
  become({ state: 'live' })
  sound[Symbol.dispose]()
  become({ state: 'muted', reason: 'clip' })
  assert.deepEqual(
    log.filter((one) => typeof one === 'object'),
    [
      { type: 'sound', state: 'live' },
      { type: 'sound', state: 'failed', reason: 'no such device' },
      { type: 'sound', state: 'live' },
    ],
  )
})

test('without a microphone nothing is sent; what is not understood is said so', () => {
  const { sound, log } = open({ state: 'none' })
  sound.start()
  assert.equal(sound.handle({}), false)
  assert.equal(sound.handle({ on: 1 }), false)
  sound.handle({ on: true })
  assert.deepEqual(log, [{ type: 'sound', state: 'none' }])
})
