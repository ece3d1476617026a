/**
 * `node:http` without its ES module, which reads every export when it is imported: one of them, `WebSocket`, loads the whole of undici,
 * 4 MiB and 0.1 s of CPU time in each process.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http')
