import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { VisionSection } from '#services/vision/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

/** Captures the first frame of a file; rejects as the source does. */
async function capture(t: TestContext, url: string, maxPixels?: number): Promise<string> {
  const ending = new AbortController()
  let size = 'no frame'
  await captureFrom(VisionSection.parse({ source: { type: 'url', url, loop: false } }).source)({
    ...{ width: 640, height: 360, fps: 30, maxPixels },
    signal: AbortSignal.any([t.signal, ending.signal]),
    emit(pixels) {
      size = `${pixels.width}x${pixels.height}`
      pixels.free()
      ending.abort()
    },
  })
  return size
}

/** A file of three frames of 320×240, made by ffmpeg with these arguments. */
function encode(t: TestContext, name: string, ...args: string[]): string {
  const file = join(temporaryFolder(t), name)
  const source = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=10', '-frames:v', '3']
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...args, file])
  return file
}

const skip = { skip: without('ffmpeg') }

/** One file for each codec that is decoded, in a container that does not show the size before it is decoded. */
const CODECS: Record<string, string[]> = {
  'h264.ts': ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'],
  'hevc.ts': ['-c:v', 'libx265', '-x265-params', 'log-level=none', '-pix_fmt', 'yuv420p'],
  'mpeg2.ts': ['-c:v', 'mpeg2video', '-r', '25'],
  'mpeg4.ts': ['-c:v', 'mpeg4'],
  'bare.h264': ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'],
  'mjpeg.mkv': ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p'],
  'vp8.ivf': ['-c:v', 'libvpx'],
  'vp9.ivf': ['-c:v', 'libvpx-vp9'],
  'av1.ivf': ['-c:v', 'libaom-av1', '-cpu-used', '8'],
}

for (const [name, args] of Object.entries(CODECS)) {
  test(`${name}: plays, and a frame with too many pixels is an error`, skip, async (t) => {
    const file = encode(t, name, ...args)
    if (name.endsWith('.ivf')) {
      // the header of the container claims a small size. https://wiki.multimedia.cx/index.php/Duck_IVF
      const bytes = readFileSync(file)
      bytes.writeUInt16LE(64, 12)
      bytes.writeUInt16LE(48, 14)
      writeFileSync(file, bytes)
    }
    assert.equal(await capture(t, file), '320x240')
    const rejected = capture(t, file, 320 * 240 - 1)
    // libdav1d does not show the size that it rejects
    if (name === 'av1.ivf') assert.equal(await rejected, 'no frame')
    else await assert.rejects(rejected, /larger than vision\.max_pixels \(76799\)/)
  })
}

/** Formats of images and video that no camera sends, in containers that are opened. */
const FOREIGN: Record<string, string[]> = {
  'png.mov': ['-c:v', 'png'],
  'png.mkv': ['-c:v', 'png'],
  'tiff.mkv': ['-c:v', 'tiff'],
  'gif.mkv': ['-c:v', 'gif', '-pix_fmt', 'rgb8'],
  'prores.mov': ['-c:v', 'prores'],
  'jpeg2000.mov': ['-c:v', 'jpeg2000'],
  'ffv1.mkv': ['-c:v', 'ffv1'],
  'huffyuv.avi': ['-c:v', 'huffyuv'],
  'theora.ogg': ['-c:v', 'libtheora'],
}

for (const [name, args] of Object.entries(FOREIGN)) {
  test(`${name} is not decoded`, skip, async (t) => {
    await assert.rejects(capture(t, encode(t, name, ...args)), /cannot decode|no video stream/)
  })
}

for (const [name, args] of Object.entries({
  'image.png': [],
  'image.bmp': [],
  'image.tiff': [],
  'image.gif': ['-pix_fmt', 'rgb8'],
  'image.webp': ['-c:v', 'libwebp'],
})) {
  test(`${name} is not opened`, skip, async (t) => {
    await assert.rejects(capture(t, encode(t, name, '-frames:v', '1', ...args)), /cannot open/)
  })
}
