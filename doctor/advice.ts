import { readdirSync, readFileSync } from 'node:fs'
import { hasOpen } from '#lib/process/open-files.ts'
import type { captureFrames } from '#services/vision/checks.ts'

type Source = Parameters<typeof captureFrames>[0]

/** What to do about each cause, by the text of the failure; the first that matches. */
type Causes = readonly (readonly [cause: RegExp, advice: string])[]

const CAMERA_NETWORK: Causes = [
  [
    /\b40[13]\b|Unauthorized|Forbidden/i,
    'put user and password into vision.source.url: rtsp://user:password@camera/…',
  ],
  [/\b404\b/, 'the camera has no such address: check the path in vision.source.url in its manual'],
  [
    /ECONNREFUSED|Connection refused/i,
    'nothing listens there: check host and port in vision.source.url, and that the camera is on',
  ],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'this name is unknown: use the address of the camera in vision.source.url, or check the name server',
  ],
  [
    /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|timed? ?out|no frame within/i,
    'the camera does not answer: is it on, and in the same network?',
  ],
  [/certificate|CERT_/i, 'name the CA of the camera in vision.source.ca, or set vision.source.tls_insecure'],
  [/No such file|ENOENT/i, 'file not found: check vision.source.url'],
  [/Permission denied|EACCES/i, 'the user of the services may not read this file: check its mode'],
  [/Invalid data/i, 'not a video: check vision.source.url'],
]

const CAMERA_DEVICE: Causes = [
  [
    /No such file|ENOENT/i,
    'plug the camera in, or name another device in vision.source.device; v4l2-ctl --list-devices shows them',
  ],
  [/Permission denied|EACCES/i, 'add the user of the services to the group video'],
  [
    /Inappropriate ioctl|Is a directory/i,
    'not a camera: check vision.source.device; v4l2-ctl --list-devices shows them',
  ],
  [
    /no frame within/,
    'unplug the camera and plug it in; it may need another vision.source.format or more power',
  ],
]

const CAMERA_PROGRAM: Causes = [
  [
    /cannot run rpicam-vid: not found/,
    'install the programs of the Pi camera: sudo apt install rpicam-apps-lite',
  ],
  [/not found/, 'install this program, or correct vision.source.command'],
  [/EACCES/, 'this program may not be executed: chmod +x'],
  [
    /no cameras available/i,
    'check the ribbon cable of the Pi camera, at both ends; rpicam-hello --list-cameras shows what is connected',
  ],
  [/no frame within/, 'the program outputs no frame in vision.source.format'],
  [/exited with code|was killed/, 'run the program by hand: its last line is in this message'],
]

const RELAY: Causes = [
  [/ENOTFOUND/, 'this name does not exist: check cloud.relay_url'],
  [/EAI_AGAIN/, 'no name server answers: check the network and /etc/resolv.conf'],
  [/ECONNREFUSED/, 'nothing listens on this port: check cloud.relay_url; is the relay running?'],
  [/ENETUNREACH|EHOSTUNREACH/, 'no route there: is this machine connected to the internet?'],
  [/ETIMEDOUT|timed? ?out|aborted/i, 'no answer: a firewall may block outgoing TCP to this port'],
  [
    /not yet valid|CERT_NOT_YET_VALID|expired|CERT_HAS_EXPIRED/i,
    'check the clock of this machine; if it is right, the operator of the relay has to renew the certificate',
  ],
  [/altname/i, 'the certificate is for another name: check cloud.relay_url'],
  [
    /self.signed|unable to (verify|get)|SELF_SIGNED|UNABLE_TO/i,
    'the network may intercept the connection; for a CA of your own set NODE_EXTRA_CA_CERTS',
  ],
  [
    /wrong version number|packet length too long/i,
    'this port does not speak TLS: use ws:// or another port in cloud.relay_url',
  ],
]

/** What to do about a camera that fails with `reason`. */
export function cameraAdvice(source: Source, reason: string): string {
  if (source.type === 'v4l2' && /EBUSY|busy/i.test(reason)) return busyAdvice(source.device)
  if (source.type === 'rpicam' && /busy|in use/i.test(reason))
    return 'another program uses the camera: end it'
  const causes = {
    v4l2: CAMERA_DEVICE,
    url: CAMERA_NETWORK,
    rpicam: CAMERA_PROGRAM,
    exec: CAMERA_PROGRAM,
    synthetic: [],
  }
  return adviceOf(causes[source.type], reason) ?? 'check the cable, vision.source, and the log of vision'
}

/** What to do about a relay that cannot be reached for `reason`. */
export function relayAdvice(reason: string): string {
  return adviceOf(RELAY, reason) ?? 'check the network and cloud.relay_url'
}

function adviceOf(causes: Causes, reason: string): string | undefined {
  return causes.find(([cause]) => cause.test(reason))?.[1]
}

function busyAdvice(device: string): string {
  const holders = processesThatHold(device)
  if (holders.length === 0) return 'another program uses the camera: sudo fuser -v names it'
  return `${holders.join(', ')} ${holders.length > 1 ? 'use' : 'uses'} the camera: end it, or stop the robot`
}

/** Processes that have a file open, as `name (pid)`; only those that this user may examine. */
export function processesThatHold(path: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.flatMap((pid) => {
    try {
      return hasOpen(pid, path) ? [`${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (${pid})`] : []
    } catch {
      return [] // it has exited, or belongs to another user
    }
  })
}
