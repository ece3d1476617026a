import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Writes a self-signed certificate for this machine, new each time, as PEM files. */
export function certify(folder: string, name: string, file = ''): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${file}cert.pem`), join(folder, `${file}key.pem`)]
  const what = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const whose = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  execFileSync('openssl', ['req', ...what, ...whose, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { cert, key }
}
