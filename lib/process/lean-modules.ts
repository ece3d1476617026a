import { registerHooks } from 'node:module'

/**
 * Imported by the main file of each process before all else, which that file therefore imports dynamically: zod reads its
 * messages in 60 languages, 2.3 MiB in each process, of which only the English ones are used.
 */
registerHooks({
  resolve(specifier, context, nextResolve) {
    const isLocales = specifier === '../locales/index.js' && context.parentURL?.includes('/node_modules/zod/')
    if (!isLocales) return nextResolve(specifier, context)
    return { url: 'data:text/javascript,', format: 'module', shortCircuit: true }
  },
})
