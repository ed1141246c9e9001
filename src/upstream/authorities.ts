// Certificates of authorities that the configuration names for an upstream (`ca`).
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describeUnreadable, Problem } from '../config/problem.ts'
import { splitPem } from '../tls/describe.ts'

const LARGEST = 1 << 20

/** The certificates of a PEM file. Throws a Problem for a file that cannot be read or holds something else. */
export function readAuthorities(path: string): string[] {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    throw describeUnreadable('certificate authority', path, error)
  }
  const found = text.length > LARGEST ? [] : splitPem(text)
  if (found.length > 0 && found.every(isCertificate)) return found
  throw new Problem(`${path} holds no certificate of an authority in PEM`, {
    hint: 'it begins with -----BEGIN CERTIFICATE-----; of DER make it: openssl x509 -inform der -in FILE -out ca.crt',
  })
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
