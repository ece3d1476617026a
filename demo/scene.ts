import { type Canvas, createCanvas, type Image, loadImage, type SKRSContext2D } from '@napi-rs/canvas'
import { drawGarden, drawRoom, ellipse } from './room.ts'
import {
  CAT,
  CAT_HEAD,
  catAt,
  DOG_FEET,
  type DogPose,
  dogAt,
  HEIGHT,
  PANE,
  type Rect,
  WIDTH,
} from './story.ts'

/** x, y, width, height in fractions of the frame, clipped to it, and the visible fraction of the animal. */
export type Truth = [x: number, y: number, width: number, height: number, visible: number]

export interface Scene {
  /** Draws the frame of this time (RGBA) and returns the boxes of the animals. */
  draw(seconds: number): { pixels: Buffer; dog: Truth | null; cat: Truth | null }
}

/** Loads both photographs and draws the background. */
export async function createScene(): Promise<Scene> {
  const load = (name: string) => loadImage(new URL(name, import.meta.url))
  const [dog, catPicture] = await Promise.all([load('dog.png'), load('cat.png')])
  const cat = cutOutCat(catPicture)
  const room = drawRoom()
  const garden = drawGarden()
  const canvas = createCanvas(WIDTH, HEIGHT)
  const context = canvas.getContext('2d')
  return {
    draw(seconds) {
      const dogPose = dogAt(seconds)
      const catRect = catAt(seconds)
      context.drawImage(garden, PANE.x, PANE.y)
      if (catRect) drawCat(context, cat, catRect)
      drawGlass(context)
      context.drawImage(room, 0, 0)
      if (dogPose) drawDog(context, dog, dogPose)
      return { pixels: canvas.data(), ...truths(dogPose, catRect) }
    },
  }
}

/** The cat's head with soft edges, without the background of the photograph. */
function cutOutCat(picture: Image): Canvas {
  const mask = createCanvas(CAT.width, CAT.height)
  const outline = mask.getContext('2d')
  outline.filter = 'blur(5px)'
  outline.beginPath()
  const points = [
    [-20, 320],
    [-20, 135],
    [22, 112],
    [34, 60],
    [36, -20],
    [405, -20],
    [392, 22],
    [366, 68],
    [364, 118],
    [366, 160],
    [344, 205],
    [352, 240],
    [385, 280],
    [395, 320],
  ]
  for (const [x = 0, y = 0] of points) outline.lineTo(x, y)
  outline.fill()
  const cat = createCanvas(CAT.width, CAT.height)
  const context = cat.getContext('2d')
  context.drawImage(picture, 0, 0)
  context.globalCompositeOperation = 'destination-in'
  context.drawImage(mask, 0, 0)
  return cat
}

function drawCat(context: SKRSContext2D, cat: Canvas, { x, y, width, height }: Rect): void {
  context.save()
  context.beginPath()
  context.rect(PANE.x, PANE.y, PANE.width, PANE.height)
  context.clip()
  context.drawImage(cat, x, y, width, height)
  context.restore()
}

function drawGlass(context: SKRSContext2D): void {
  context.fillStyle = 'rgba(255, 255, 255, 0.10)'
  context.beginPath()
  const { x, y, height } = PANE
  for (const [dx, dy] of [
    [60, 0],
    [150, 0],
    [30, height],
    [-60, height],
  ] as const)
    context.lineTo(x + dx, y + dy)
  context.save()
  context.clip()
  context.fillRect(x, y, PANE.width, height)
  context.restore()
}

function drawDog(context: SKRSContext2D, dog: Image, pose: DogPose): void {
  const { x, y, width, height, facing, tilt } = pose
  context.fillStyle = 'rgba(30, 18, 8, 0.35)'
  context.filter = 'blur(8px)'
  ellipse(context, x + width / 2, DOG_FEET - 4, width * 0.46, 16)
  context.filter = 'none'
  context.save()
  context.translate(x + width / 2, y + height / 2)
  context.rotate(tilt)
  context.scale(facing === 'right' ? 1 : -1, 1)
  context.drawImage(dog, -width / 2, -height / 2, width, height)
  context.restore()
}

function truths(dog: Rect | undefined, cat: Rect | undefined) {
  const frame = { x: 0, y: 0, width: WIDTH, height: HEIGHT }
  const { scale } = CAT
  const head = cat && {
    x: cat.x + CAT_HEAD.x * scale,
    y: cat.y + CAT_HEAD.y * scale,
    width: CAT_HEAD.width * scale,
    height: CAT_HEAD.height * scale,
  }
  const hidden = dog && head ? area(intersect(intersect(head, PANE), dog)) : 0
  return { dog: truth(dog, frame, 0), cat: truth(head, PANE, hidden) }
}

function truth(whole: Rect | undefined, opening: Rect, hidden: number): Truth | null {
  if (!whole) return null
  const seen = intersect(whole, opening)
  const visible = (area(seen) - hidden) / area(whole)
  if (visible <= 0) return null
  const fractions = [seen.x / WIDTH, seen.y / HEIGHT, seen.width / WIDTH, seen.height / HEIGHT, visible]
  return fractions.map((value) => Math.round(value * 10_000) / 10_000) as Truth
}

function intersect(a: Rect, b: Rect): Rect {
  const x = Math.max(a.x, b.x)
  const y = Math.max(a.y, b.y)
  const width = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x)
  const height = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y)
  return { x, y, width, height }
}

function area({ width, height }: Rect): number {
  return width * height
}
