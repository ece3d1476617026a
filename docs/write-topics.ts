import { writeFileSync } from 'node:fs'
import { topicsPage } from './topics-page.ts'

writeFileSync(new URL('topics.md', import.meta.url), topicsPage())
