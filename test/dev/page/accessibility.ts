/// <reference lib="dom" />
import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What axe-core finds. */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>
      }
    }
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    )
  })
}

/** The elements of a selector that lie beside the window, and the page if it is wider. */
export function outsideOfWindow(page: Page, selector: string): Promise<string[]> {
  return page.evaluate((wanted) => {
    const beside = [...document.querySelectorAll(wanted)].filter((one) => {
      const { left, right } = one.getBoundingClientRect()
      return one.checkVisibility() && (left < -0.5 || right > innerWidth + 0.5)
    })
    const { scrollWidth, clientWidth } = document.documentElement
    return [
      ...beside.map((one) => one.outerHTML.slice(0, 80)),
      ...(scrollWidth > clientWidth ? ['page'] : []),
    ]
  }, selector)
}
