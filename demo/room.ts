import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas'
import { seededRandom } from '#dev/harness/random.ts'
import { HEIGHT, PANE, type Rect, WIDTH } from './story.ts'

const FLOOR = 470

/** The empty room; the pane of its window is transparent. */
export function drawRoom(): Canvas {
  const canvas = createCanvas(WIDTH, HEIGHT)
  const context = canvas.getContext('2d')
  drawWall(context)
  drawFloor(context)
  drawPicture(context, { x: 110, y: 110, width: 190, height: 140 })
  drawShelf(context)
  drawWindowFrame(context)
  drawPlant(context, 64, 512)
  addGrain(context)
  context.clearRect(PANE.x, PANE.y, PANE.width, PANE.height)
  return canvas
}

/** The view through the pane: a garden, out of focus. */
export function drawGarden(): Canvas {
  const canvas = createCanvas(PANE.width, PANE.height)
  const context = canvas.getContext('2d')
  context.fillStyle = gradient(context, 0, PANE.height, ['#cfe6f5', '#b9d3c0', '#7fa56b', '#5d8a4e'])
  context.fillRect(0, 0, PANE.width, PANE.height)
  context.filter = 'blur(14px)'
  const random = seededRandom(7)
  for (let i = 0; i < 60; i++) {
    context.fillStyle = `hsla(${80 + random() * 50}, 35%, ${30 + random() * 35}%, 0.5)`
    const y = PANE.height * (0.35 + random() * 0.65)
    ellipse(context, random() * PANE.width, y, 20 + random() * 40, 14 + random() * 26)
  }
  return canvas
}

function drawWall(context: SKRSContext2D): void {
  context.fillStyle = gradient(context, 0, FLOOR, ['#bccbd6', '#b0c2cf', '#a2b5c3'])
  context.fillRect(0, 0, WIDTH, FLOOR)
  context.fillStyle = 'rgba(255, 255, 255, 0.07)'
  for (let x = 0; x < WIDTH; x += 64) context.fillRect(x, 0, 32, FLOOR)
  const light = context.createRadialGradient(980, 270, 60, 980, 270, 620)
  light.addColorStop(0, 'rgba(255, 248, 225, 0.55)')
  light.addColorStop(1, 'rgba(70, 85, 105, 0.22)')
  context.fillStyle = light
  context.fillRect(0, 0, WIDTH, FLOOR)
  context.fillStyle = '#f3ece0'
  context.fillRect(0, FLOOR - 26, WIDTH, 26)
  context.fillStyle = 'rgba(90, 70, 50, 0.35)'
  context.fillRect(0, FLOOR - 28, WIDTH, 2)
  context.fillRect(0, FLOOR - 3, WIDTH, 3)
}

/** A green carpet with a lighter border. */
function drawFloor(context: SKRSContext2D): void {
  context.fillStyle = gradient(context, FLOOR, HEIGHT, ['#587a49', '#6b9257', '#78a061'])
  context.fillRect(0, FLOOR, WIDTH, HEIGHT - FLOOR)
  const random = seededRandom(3)
  for (let i = 0; i < 26_000; i++) {
    const depth = random()
    const y = FLOOR + (HEIGHT - FLOOR) * depth
    context.fillStyle = random() < 0.5 ? 'rgba(30, 55, 20, 0.16)' : 'rgba(190, 220, 150, 0.16)'
    context.fillRect(random() * WIDTH, y, 2 + depth * 3, 1 + depth * 3)
  }
  context.fillStyle = gradient(context, FLOOR, FLOOR + 60, ['rgba(15, 30, 10, 0.45)', 'rgba(15, 30, 10, 0)'])
  context.fillRect(0, FLOOR, WIDTH, 60)
}

function drawPicture(context: SKRSContext2D, { x, y, width, height }: Rect): void {
  shadow(context, 14, 6)
  context.fillStyle = '#4d3523'
  context.fillRect(x - 12, y - 12, width + 24, height + 24)
  shadow(context, 0, 0)
  context.fillStyle = gradient(context, y, y + height, ['#f0b27a', '#f6d7a8', '#8fa9b8', '#55707f'])
  context.fillRect(x, y, width, height)
  context.fillStyle = '#3f5a4a'
  polygon(context, [
    [x, y + height],
    [x + 60, y + 62],
    [x + 105, y + 104],
    [x + 140, y + 80],
    [x + width, y + height],
  ])
  context.fillStyle = '#fff1c9'
  ellipse(context, x + 140, y + 40, 16, 16)
}

function drawShelf(context: SKRSContext2D): void {
  shadow(context, 12, 8)
  context.fillStyle = '#6b4a30'
  context.fillRect(400, 250, 260, 16)
  shadow(context, 0, 0)
  const random = seededRandom(11)
  for (let x = 412; x < 600; ) {
    const width = 12 + random() * 16
    const height = 58 + random() * 32
    context.fillStyle = `hsl(${random() * 360}, 32%, ${32 + random() * 28}%)`
    context.fillRect(x, 250 - height, width - 2, height)
    x += width
  }
}

function drawWindowFrame(context: SKRSContext2D): void {
  const { x, y, width, height } = PANE
  shadow(context, 18, 6)
  context.fillStyle = '#f7f3ea'
  context.fillRect(x - 22, y - 22, width + 44, height + 44)
  shadow(context, 0, 0)
  context.fillStyle = '#d8d0c2'
  context.fillRect(x - 6, y - 6, width + 12, height + 12)
  context.fillStyle = '#fffaf0'
  context.fillRect(x - 40, y + height + 18, width + 80, 16)
  for (const [left, tint] of [
    [x - 92, '#5d7f93'],
    [x + width + 18, '#557588'],
  ] as const) {
    for (let i = 0; i < 6; i++) {
      context.fillStyle = tint
      context.globalAlpha = 0.75 + (i % 2) * 0.25
      context.fillRect(left + i * 12.5, 72, 13, 362)
    }
    context.globalAlpha = 1
  }
  context.fillStyle = '#4a3526'
  context.fillRect(x - 112, 62, width + 224, 10)
}

function drawPlant(context: SKRSContext2D, x: number, y: number): void {
  const random = seededRandom(5)
  for (let i = 0; i < 26; i++) {
    const angle = -Math.PI / 2 + (random() - 0.5) * 2
    const length = 60 + random() * 90
    context.save()
    context.translate(x, y - 62)
    context.rotate(angle)
    context.fillStyle = `hsl(${105 + random() * 30}, 38%, ${22 + random() * 20}%)`
    ellipse(context, length / 2, 0, length / 2, 8)
    context.restore()
  }
  shadow(context, 16, 8)
  context.fillStyle = '#b0613c'
  polygon(context, [
    [x - 36, y - 66],
    [x + 36, y - 66],
    [x + 27, y + 6],
    [x - 27, y + 6],
  ])
  shadow(context, 0, 0)
}

/** Adds noise, as of a camera sensor. */
function addGrain(context: SKRSContext2D): void {
  const random = seededRandom(1)
  const image = context.getImageData(0, 0, WIDTH, HEIGHT)
  for (let i = 0; i < image.data.length; i += 4) {
    const grain = (random() - 0.5) * 9
    for (let c = i; c < i + 3; c++) image.data[c] = (image.data[c] ?? 0) + grain
  }
  context.putImageData(image, 0, 0)
}

function gradient(context: SKRSContext2D, top: number, bottom: number, colors: readonly string[]) {
  const result = context.createLinearGradient(0, top, 0, bottom)
  for (const [i, color] of colors.entries()) result.addColorStop(i / (colors.length - 1), color)
  return result
}

function polygon(context: SKRSContext2D, points: readonly (readonly [number, number])[]): void {
  context.beginPath()
  for (const point of points) context.lineTo(...point)
  context.fill()
}

/** Fills an ellipse. */
export function ellipse(
  context: SKRSContext2D,
  x: number,
  y: number,
  radiusX: number,
  radiusY: number,
): void {
  context.beginPath()
  context.ellipse(x, y, radiusX, radiusY, 0, 0, Math.PI * 2)
  context.fill()
}

function shadow(context: SKRSContext2D, blur: number, offset: number): void {
  context.shadowColor = blur > 0 ? 'rgba(40, 25, 10, 0.45)' : 'rgba(0, 0, 0, 0)'
  context.shadowBlur = blur
  context.shadowOffsetX = offset
  context.shadowOffsetY = offset
}
