/**
 * Opens the page without a login where there is one already: browsers send a SameSite=Strict cookie with requests of this site's
 * own pages only, so a link on another site leads here.
 */
const problem = /** @type {HTMLElement} */ (document.getElementById('problem'))

async function openIfLoggedIn() {
  const { ok } = await fetch('/', { method: 'HEAD' })
  if (ok) location.replace('/')
}

if (!navigator.cookieEnabled) problem.textContent = 'This browser refuses cookies; the login needs one.'
else if (problem.textContent === '') openIfLoggedIn().catch(() => {}) // the relay is away: the form says so when it is sent
