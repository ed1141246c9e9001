// The certificate by which clusters and nodes trust this registry. Pure.
import { X509Certificate } from 'node:crypto'
import { Problem } from '../../config/problem.ts'
import { splitPem } from '../../tls/describe.ts'

/**
 * The certificates of a PEM text and nothing else of it (a key that lies in the same file never gets out), a newline at the
 * end. Throws a Problem where there is none or one cannot be read.
 */
export function readTrust(text: string, source: string): string {
  const blocks = splitPem(text)
  if (blocks.length === 0) {
    throw new Problem(`${source} holds no certificate in PEM`, {
      hint: 'name the certificate of the authority that signed the registry’s: --ca FILE',
    })
  }
  if (fingerprintsOf(text).length < blocks.length) {
    throw new Problem(`${source} holds a certificate that cannot be read`, { hint: 'have it written anew, in PEM' })
  }
  return blocks.map((block) => `${block.replaceAll('\r\n', '\n')}\n`).join('')
}

/** For people: whose it is, until when, and its SHA-256; one line a certificate. */
export function describeTrust(pem: string): string[] {
  return splitPem(pem).map((block) => {
    try {
      const { subject, validToDate, fingerprint256 } = new X509Certificate(block)
      const name = /(?:^|\n)CN=([^\n]*)/.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ')
      return `${name}, until ${validToDate.toISOString().slice(0, 10)}, SHA-256 ${fingerprint256}`
    } catch {
      return 'a certificate that cannot be read'
    }
  })
}

/** The fingerprints of all certificates of a text, to compare two of them. */
export function fingerprintsOf(pem: string): string[] {
  return splitPem(pem).flatMap((block) => {
    try {
      return [new X509Certificate(block).fingerprint256]
    } catch {
      return []
    }
  })
}
