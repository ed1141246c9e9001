// Certificates for tests: an authority and a server's certificate of it, made as `tarn init` makes them.
import { randomBytes } from 'node:crypto'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'

export interface TestAuthority {
  readonly certificate: string
  readonly key: string
}

export function makeTestAuthority(name = 'Test CA'): TestAuthority {
  return makeAuthority({ name, clock: Date.now, random: randomBytes })
}

export function makeTestServer(ca: TestAuthority, hosts: readonly string[], clock = Date.now): TestAuthority {
  return makeServerCertificate({ ca, hosts, clock, random: randomBytes })
}
