/**
 * Whether a topic name is of a filter, MQTT 3.1.1 §4.7. A wildcard at the front means no topic that begins with `$`
 * [MQTT-4.7.2-1].
 */
export function matches(filter: string, topic: string): boolean {
  return walk(filter, topic, (mine, theirs) => mine === '+' || mine === theirs)
}

/** Whether every topic that `wanted` can name is of `filter` as well. */
export function covers(filter: string, wanted: string): boolean {
  return walk(filter, wanted, (mine, theirs) => theirs !== '#' && (mine === '+' || mine === theirs))
}

function walk(filter: string, name: string, same: (mine: string, theirs: string) => boolean): boolean {
  if (name.startsWith('$') && /^[+#]/.test(filter)) return false
  const mine = filter.split('/')
  const theirs = name.split('/')
  for (const [i, level] of mine.entries()) {
    if (level === '#') return true // also the level above it: `a/#` is `a` too
    const other = theirs[i]
    if (other === undefined || !same(level, other)) return false
  }
  return mine.length === theirs.length
}

/** Whether it may be subscribed to: wildcards fill a level of their own, `#` the last one [MQTT-4.7.1]. */
export function isFilter(text: string): boolean {
  return (
    text !== '' &&
    text.split('/').every((level, i, all) => {
      if (level === '#') return i === all.length - 1
      return level === '+' || !/[+#\0]/.test(level)
    })
  )
}
