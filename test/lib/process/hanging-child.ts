import { Heartbeat } from '#lib/process/heartbeat.ts'

// A child of a supervisor that gives its first heartbeat, and then hangs where it is told to.
new Heartbeat()
const [how] = process.argv.slice(2)
if (how === 'loop') {
  setTimeout(() => {
    for (;;);
  }, 200)
}
process.send?.('ready')
setInterval(() => {}, 1_000)
