import qrcode from 'qrcode-generator'

/** Light modules around the code. ISO/IEC 18004 §6.3.8 wants 4; cameras need 2 on a screen. */
const QUIET_ZONE = 2
/** Black on white, whatever the colors of the terminal. */
const [COLORS, RESET] = ['\x1b[30;107m', '\x1b[0m']

/** A QR code for a terminal, two rows of modules in each line. */
export function qrCode(text: string): string {
  const code = qrcode(0, 'M')
  code.addData(text)
  code.make()
  const size = code.getModuleCount()
  const isDark = (row: number, column: number) =>
    row >= 0 && column >= 0 && row < size && column < size && code.isDark(row, column)
  const lines: string[] = []
  for (let row = -QUIET_ZONE; row < size + QUIET_ZONE; row += 2) {
    let line = ''
    for (let column = -QUIET_ZONE; column < size + QUIET_ZONE; column++) {
      line += BLOCKS[Number(isDark(row, column)) + 2 * Number(isDark(row + 1, column))]
    }
    lines.push(`${COLORS}${line}${RESET}`)
  }
  return lines.join('\n')
}

/** By the dark half: none, the upper one, the lower one, both. */
const BLOCKS = [' ', '▀', '▄', '█'] as const
