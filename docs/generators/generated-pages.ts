import { configurationPage } from './configuration-page.ts'
import { conformancePage } from './conformance-page.ts'
import { fieldFailuresPage } from './field-failures-page.ts'
import { noticesPage } from './notices-page.ts'
import { topicsPage } from './topics-page.ts'

/** The text of each page that `npm run docs` writes, by path from the project's folder. */
export function generatedPages(): Map<string, string> {
  return new Map([
    ['docs/topics.md', topicsPage()],
    ['docs/field-failures.md', fieldFailuresPage()],
    ['docs/configuration.md', configurationPage()],
    ['broker/mqtt-conformance.md', conformancePage()],
    ['THIRD_PARTY_NOTICES.md', noticesPage()],
  ])
}
