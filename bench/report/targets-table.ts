import { numberIn, tablesIn } from './figures.ts'
import type { Result } from './result.ts'

interface Inputs {
  video?: Result | undefined
  encoder?: Result | undefined
  overload?: Result | undefined
}

interface Target {
  what: string
  before: string
  now: string | undefined
  target: string
}

/** Markdown: encoder, latency and overload before and now, beside their targets; undefined without one of the results. */
export function targetsTable(inputs: Inputs): string | undefined {
  const known = [
    ...encoderTargets(inputs.encoder),
    ...videoTargets(inputs.video),
    ...overloadTargets(inputs.overload),
  ]
  const rows = known.filter(({ now }) => now !== undefined)
  if (rows.length === 0) return undefined
  return `### Encoder, latency and overload, before and now

| | before | now | target |
|---|---|---|---|
${rows.map(({ what, before, now, target }) => `| ${what} | ${before} | ${now} | ${target} |`).join('\n')}
`
}

function encoderTargets(encoder: Result | undefined): Target[] {
  const text = encoder?.output ?? ''
  const percent = (pattern: RegExp) => numberIn(pattern.exec(text)?.[1])
  const idle = percent(/no viewer\n\s*vision\s+([\d.]+) %/)
  const vision = percent(/one layer.*\n\s*vision\s+([\d.]+) %/)
  const ffmpeg = percent(/\n\s*ffmpeg\s+([\d.]+) %/)
  return [
    {
      what: 'vision without a viewer, detector off',
      before: '11–12 %',
      now: show(idle, ' %'),
      target: '3 %',
    },
    {
      what: 'vision, one layer of 720p15, detector off',
      before: '32–36 %',
      now: show(vision, ' %'),
      target: '',
    },
    { what: 'FFmpeg, the same stream', before: '18–19 %', now: show(ffmpeg, ' %'), target: '' },
    { what: 'vision / FFmpeg', before: '1.8', now: show(vision / ffmpeg, '', 2), target: '1.15' },
  ]
}

function videoTargets(video: Result | undefined): Target[] {
  const rows = tablesIn(video?.output ?? '').flatMap((table) => table.rows)
  const figures = (what: string) =>
    rows.find(([name]) => name?.startsWith(what))?.[1]?.replace(/ \(.*\)$/, '')
  return [
    {
      what: 'glass to glass in Chromium',
      before: 'p50 29 ms, p95 60 ms, p99 78 ms',
      now: figures('glass to glass'),
      target: '20, 40, 70 ms',
    },
    {
      what: 'gap between two frames on the screen',
      before: 'p99 109 ms',
      now: figures('gap between'),
      target: '90 ms',
    },
    {
      what: 'request to first decoded frame, warm',
      before: 'p50 248 ms, p95 425 ms',
      now: figures('request to first'),
      target: '200, 350 ms',
    },
  ]
}

function overloadTargets(overload: Result | undefined): Target[] {
  const rows = tablesIn(overload?.output ?? '').flatMap((table) => table.rows)
  const during = rows.find(([name]) => name?.includes('competing'))
  const now = during && `${during[1]} frames/s, ${during[2]} in the worst second, longest gap ${during[4]}`
  return [
    {
      what: `one viewer beside ${during?.[0] ?? 'competing processes'}`,
      before: '4 frames/s or none (load of 30 to 50)',
      now,
      target: '8, never 0',
    },
  ]
}

function show(value: number, unit: string, digits = 1): string | undefined {
  return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : undefined
}
