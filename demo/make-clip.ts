// `npm run clip` writes clip.mp4, and clip.json with the boxes of dog and cat in each frame
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { writeClip } from './clip-writer.ts'
import { createScene, type Truth } from './scene.ts'
import { FPS, HEIGHT, SECONDS, WIDTH } from './story.ts'

const scene = await createScene()
const dog: (Truth | null)[] = []
const cat: (Truth | null)[] = []

function* frames() {
  for (let index = 0; index < SECONDS * FPS; index++) {
    const picture = scene.draw(index / FPS)
    dog.push(picture.dog)
    cat.push(picture.cat)
    yield picture.pixels
  }
}

await writeClip(fileURLToPath(new URL('clip.mp4', import.meta.url)), frames())
const truth = { width: WIDTH, height: HEIGHT, fps: FPS, frames: SECONDS * FPS, dog, cat }
await writeFile(new URL('clip.json', import.meta.url), `${JSON.stringify(truth)}\n`)
