import { execFileSync } from 'node:child_process'

/** What Home Assistant's template engine makes of each of these payloads. Needs python3-jinja2. */
export function render(template: string, payloads: (Buffer | string)[]): string[] {
  const input = JSON.stringify(payloads.map((payload) => [template, payload.toString()]))
  const output = execFileSync('/usr/bin/python3', ['test/home-assistant/render.py'], { input })
  return JSON.parse(output.toString())
}
