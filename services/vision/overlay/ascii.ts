/** Letters that do not come apart into a plain one and its marks. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', ł: 'l', Ł: 'L', đ: 'd', Đ: 'D', þ: 'th' },
  ...{ '‘': "'", '’': "'", '“': '"', '”': '"', '–': '-', '—': '-', '…': '...' },
}

/** Printable ASCII, since the overlay has no other letters (FIELD_FAILURES E08): accents are dropped, the rest becomes a `?`. */
export function toAscii(text: string): string {
  return Array.from(text.normalize('NFKD').replaceAll(/\p{Mark}/gu, ''), (character) => {
    if (character >= ' ' && character <= '~') return character
    return PLAIN[character] ?? '?'
  }).join('')
}
