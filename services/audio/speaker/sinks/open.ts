import type { AudioSpeakerSection } from '../../config.ts'
import { openProgram } from './program.ts'
import type { OpenSink } from './sink.ts'
import { openWav } from './wav.ts'

/** What opens the sink of a speaker; `none` has none. */
export function sinkOf(speaker: Exclude<AudioSpeakerSection, { type: 'none' }>): OpenSink {
  switch (speaker.type) {
    case 'alsa':
      return openProgram(aplay(speaker.device))
    case 'pulse':
    case 'pipewire':
      return openProgram(pacat(speaker.device))
    case 'exec':
      return openProgram(speaker.command)
    case 'file':
      return openWav(speaker.path)
  }
}

/** alsa-utils' player: FFmpeg's ALSA has no plugins, so neither `default` nor `plughw` nor `dmix`. */
function aplay(device: string): string[] {
  const format = ['-t', 'raw', '-f', 'S16_LE', '-r', '48000', '-c', '1']
  return ['aplay', '-q', '-D', device, ...format, '--period-time=20000', '--buffer-time=80000']
}

/** A client of PulseAudio, or of PipeWire by its PulseAudio socket. */
function pacat(device: string | undefined): string[] {
  const format = ['--raw', '--format=s16le', '--rate=48000', '--channels=1']
  const sink = device === undefined ? [] : [`--device=${device}`]
  return ['pacat', '--playback', '--client-name=wimz', '--latency-msec=40', ...format, ...sink]
}
