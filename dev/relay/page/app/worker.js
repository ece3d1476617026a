/** Service worker: shows a page of its own where the robot cannot be reached. Nothing else is cached. */
const CACHE = 'offline'
const FILES = ['/offline.html', '/style.css', '/favicon.svg']
const worker = /** @type {any} */ (globalThis)

worker.addEventListener('install', (/** @type {any} */ event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)))
  worker.skipWaiting()
})
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()))
worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event
  const isKept = FILES.includes(new URL(request.url).pathname)
  if (request.mode !== 'navigate' && !isKept) return
  const kept = () => caches.match(isKept ? request.url : '/offline.html')
  event.respondWith(fetch(request).catch(async () => (await kept()) ?? Response.error()))
})
