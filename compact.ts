import '#lib/process/lean-modules.ts'

const { part, runTogether, unitPart } = await import('#lib/process/run.ts')

/** The small services in one process, those that `WIMZ_PARTS` names: started by `npm start -- --compact`. In start order. */
const PARTS = {
  broker: async () => unitPart((await import('./broker/index.ts')).broker),
  'local-relay': async () => unitPart((await import('./dev/relay/index.ts')).localRelay),
  'relay-bridge': async () => part((await import('./services/relay-bridge/index.ts')).relayBridge),
  audio: async () => part((await import('./services/audio/index.ts')).audio),
  recorder: async () => part((await import('./services/recorder/index.ts')).recorder),
  metrics: async () => part((await import('./services/metrics/index.ts')).metrics),
  homeassistant: async () => part((await import('./services/home-assistant/index.ts')).homeAssistant),
  simulator: async () => unitPart((await import('./services/simulator/index.ts')).simulator),
}

const wanted = (process.env.WIMZ_PARTS ?? '').split(',')
const loaders = Object.entries(PARTS).filter(([name]) => wanted.includes(name))
await runTogether('compact', await Promise.all(loaders.map(([, load]) => load())))
