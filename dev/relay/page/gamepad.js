const POLL_MS = 50
/** A stick that is released seldom rests at 0. */
const DEAD_ZONE = 0.15
/** B of the standard layout, W3C Gamepad §9. */
const STOP_BUTTON = 1

/** Reads the left stick of the first gamepad. A stick in its dead zone, and a gamepad that disconnects, end the motion. */
export class GamepadSticks {
  #timer = 0
  #moving = false
  #stopping = false

  /** @param {{ move: (stick: [right: number, forward: number] | null) => void, stop: () => void }} hooks */
  constructor({ move, stop }) {
    this.move = move
    this.stop = stop
    // a browser shows gamepads to a page only after a button was pressed on it
    addEventListener('gamepadconnected', () => this.#start())
    addEventListener('gamepaddisconnected', () => this.#poll())
  }

  #start() {
    this.#timer ||= setInterval(() => this.#poll(), POLL_MS)
  }

  #poll() {
    const pad = navigator.getGamepads().find((one) => one?.connected)
    if (!pad) {
      clearInterval(this.#timer)
      this.#timer = 0
    }
    const isPressed = pad?.buttons[STOP_BUTTON]?.pressed === true
    if (isPressed && !this.#stopping) this.stop()
    this.#stopping = isPressed
    const stick = pad ? GamepadSticks.withoutDeadZone(pad.axes[0] ?? 0, -(pad.axes[1] ?? 0)) : null
    if (stick) this.move(stick)
    else if (this.#moving) this.move(null)
    this.#moving = stick !== null
  }

  /**
   * The stick scaled so that motion starts at 0 at the edge of the dead zone; null inside of it.
   * @param {number} right @param {number} forward @returns {[number, number] | null}
   */
  static withoutDeadZone(right, forward) {
    const length = Math.hypot(right, forward)
    if (!(length > DEAD_ZONE)) return null
    const scale = (Math.min(1, length) - DEAD_ZONE) / (1 - DEAD_ZONE) / length
    return [right * scale, forward * scale]
  }
}
