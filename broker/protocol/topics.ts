/** Whether a filter matches a topic name, MQTT 3.1.1 §4.7. A leading wildcard does not match `$` topics [MQTT-4.7.2-1]. */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true // most filters of a service: no level has to be looked at
  return compareLevels(filter, topic, (level, other) => level === '+' || level === other)
}

/** Whether `filter` matches every topic that `requested` matches. */
export function covers(filter: string, requested: string): boolean {
  return compareLevels(
    filter,
    requested,
    (level, other) => other !== '#' && (level === '+' || level === other),
  )
}

function compareLevels(
  filter: string,
  name: string,
  isMatch: (level: string, other: string) => boolean,
): boolean {
  if (name.startsWith('$') && /^[+#]/.test(filter)) return false
  const levels = filter.split('/')
  const others = name.split('/')
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i] ?? ''
    if (level === '#') return true // includes the parent level: `a/#` matches `a`
    const other = others[i]
    if (other === undefined || !isMatch(level, other)) return false
  }
  return levels.length === others.length
}

/** Whether it is a valid topic filter: a wildcard occupies a whole level, `#` the last one [MQTT-4.7.1-2, -3]. */
export function isFilter(text: string): boolean {
  return (
    text !== '' &&
    text.split('/').every((level, i, all) => {
      if (level === '#') return i === all.length - 1
      return level === '+' || !/[+#\0]/.test(level)
    })
  )
}

/** Most bytes of a UTF-8 string on the wire [MQTT-4.7.3-3]. */
const MAX_STRING_BYTES = 65_535

/** Whether a PUBLISH may carry it: not empty, no wildcard, no NUL, at most 65,535 bytes of UTF-8 [MQTT-3.3.2-2, 4.7.3-1 to -3]. */
export function isTopicName(text: string): boolean {
  return (
    text !== '' &&
    !/[+#\0]/.test(text) &&
    text.isWellFormed() &&
    (text.length <= MAX_STRING_BYTES / 3 || Buffer.byteLength(text) <= MAX_STRING_BYTES)
  )
}
