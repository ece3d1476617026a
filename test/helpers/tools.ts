import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs that some tests need, and the Debian package that brings each. */
const PACKAGES = {
  chromium: 'chromium',
  'firefox-esr': 'firefox-esr',
  mosquitto: 'mosquitto',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto_pub: 'mosquitto-clients',
  turnserver: 'coturn',
  ffmpeg: 'ffmpeg',
  arecord: 'alsa-utils',
  pulseaudio: 'pulseaudio',
  pactl: 'pulseaudio-utils',
  openssl: 'openssl',
  'docker-compose': 'docker-compose',
  dockerd: 'docker.io',
  script: 'bsdutils',
  'systemd-notify': 'systemd',
  'systemd-analyze': 'systemd',
  python3: 'python3',
  debootstrap: 'debootstrap',
  'qemu-aarch64-static': 'qemu-user-static',
} as const

/**
 * For `test(name, { skip: without('chromium') }, …)`: why the test cannot run here, or false. On CI nothing is skipped,
 * so a missing tool fails its test.
 */
export function without(...tools: (keyof typeof PACKAGES)[]): string | false {
  const missing = tools.filter((tool) => !find(tool))
  if (missing.length === 0 || process.env.CI === 'true') return false
  const packages = new Set(missing.map((tool) => PACKAGES[tool]))
  return `needs ${missing.join(', ')}: apt-get install ${[...packages].join(' ')}`
}

/** The same for a module of Debian's Python. */
function withoutModule(name: string, debian: string): string | false {
  return withoutPython(`import ${name}`, debian)
}

function withoutPython(program: string, debian: string): string | false {
  if (process.env.CI === 'true') return false
  const { status } = spawnSync('/usr/bin/python3', ['-c', program])
  return status === 0 ? false : `needs apt-get install ${debian}`
}

export const withoutAiortc = () => withoutModule('aiortc', 'python3-aiortc')
export const withoutGstreamer = () => withoutModule('gi', 'python3-gi gir1.2-gst-rtsp-server-1.0')
export const withoutWebrtcbin = () =>
  withoutPython(
    [
      'import gi, sys',
      'gi.require_version("Gst", "1.0")',
      'gi.require_version("GstWebRTC", "1.0")',
      'from gi.repository import Gst, GstWebRTC',
      'Gst.init(None)',
      'sys.exit(not all(map(Gst.ElementFactory.find, ["webrtcbin", "nicesrc", "openh264dec", "vp8dec"])))',
    ].join('\n'),
    'python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-nice',
  )
export const withoutJinja = () => withoutModule('jinja2', 'python3-jinja2')
export const withoutPaho = () => withoutModule('paho.mqtt.client', 'python3-paho-mqtt')

function find(program: string): boolean {
  // Debian puts mosquitto and turnserver where only root's PATH looks
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin']
  return folders.some((folder) => isExecutable(join(folder, program)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
