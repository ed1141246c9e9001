// A login and a certificate for a test's server: an htpasswd file at bcrypt's lowest cost, so that logging in
// costs next to nothing, and an authority made for this one run. Never for use outside tests.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import type { ConfigInput } from '../../src/config/schema.ts'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'

export const USERNAME = 'admin'
export const PASSWORD = 'correct horse'

/** Writes an htpasswd file into `directory`; gives the `auth` section that names it. */
export function makeLogin(directory: string): NonNullable<ConfigInput['auth']> {
  const path = join(directory, 'htpasswd')
  writeFileSync(path, `${USERNAME}:${hashSync(PASSWORD, 4)}\n`, { mode: 0o600 })
  return { htpasswd: { realm: 'Registry', path } }
}

/** Writes a certificate for 127.0.0.1 and localhost into `directory`; gives `http.tls` and the authority's PEM. */
export function makeTls(directory: string): { tls: { certificate: string; key: string }; ca: string } {
  const making = { clock: Date.now, random: (size: number): Uint8Array => randomBytes(size) }
  const authority = makeAuthority({ name: 'test authority', ...making })
  const server = makeServerCertificate({ ca: authority, hosts: ['127.0.0.1', 'localhost'], ...making })
  const tls = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') }
  writeFileSync(tls.certificate, server.certificate)
  writeFileSync(tls.key, server.key, { mode: 0o600 })
  return { tls, ca: authority.certificate }
}
