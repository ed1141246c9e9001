// Manifests written as text, so that tests can send what JSON.stringify cannot write: keys twice, odd numbers,
// broken escapes. The one blob that they name is `CONFIG`.
import { hashOf } from './digest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from './push.ts'

export const CONFIG = Buffer.from('{"os":"linux"}')
export const DIGEST = hashOf(CONFIG)
export const OTHER = hashOf('other')
export const ZERO = `{"mediaType":"${OCI_CONFIG}","digest":"${DIGEST}","size":${CONFIG.length}}`
export const MIB = 1024 * 1024

/** An image manifest with these members put in as text, so that a test can write what JSON.stringify cannot. */
export const image = (members = '', config = ZERO, layers = '[]'): string =>
  `{"schemaVersion":2,"mediaType":"${OCI_MANIFEST}","config":${config},"layers":${layers}${members === '' ? '' : `,${members}`}}`
export const index = (members = '', manifests = '[]'): string =>
  `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":${manifests}${members === '' ? '' : `,${members}`}}`
export const layer = (members: string): string => image('', ZERO, `[${members}]`)
export const descriptor = (change: Record<string, unknown>): string =>
  JSON.stringify({ mediaType: OCI_CONFIG, digest: DIGEST, size: CONFIG.length, ...change })
export const nest = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth)

export type Documents = Readonly<Record<string, string | Buffer>>
