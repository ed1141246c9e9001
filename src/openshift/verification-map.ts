// The ConfigMap of a payload that says how its successors are verified: the stores of signatures and the keyrings (the
// cluster-version operator and `oc` read the same one). Pure.
import { parseAllDocuments } from 'yaml'
import { wrong } from './payload.ts'

/** The annotation that makes a ConfigMap the one; its value does not matter. */
export const MARK = 'release.openshift.io/verification-config-map'

export interface Keyring {
  /** The key of the ConfigMap: `verifier-public-key-redhat`. */
  readonly name: string
  /** Armored, or binary as latin1 text. */
  readonly text: string
}

export interface Verification {
  /** Base URLs, each once. */
  readonly stores: readonly string[]
  /** All of them must be satisfied. */
  readonly keyrings: readonly Keyring[]
}

const MOST = 16

/**
 * The first ConfigMap with the annotation, in the order given; undefined when there is none. Throws a Problem for one
 * with stores and no key, or the other way round, which no verifier takes.
 */
export function findVerification(manifests: readonly Uint8Array[], release: string): Verification | undefined {
  for (const bytes of manifests) {
    for (const value of readDocuments(Buffer.from(bytes).toString('utf8'))) {
      const found = readConfigMap(value)
      if (found === undefined) continue
      const { stores, keyrings } = found
      if (stores.length === 0 || keyrings.length === 0 || stores.length > MOST || keyrings.length > MOST) {
        throw wrong(release, `its verification ConfigMap has ${stores.length} stores and ${keyrings.length} keyrings`)
      }
      return found
    }
  }
  return undefined
}

function readDocuments(text: string): unknown[] {
  try {
    return parseAllDocuments(text).flatMap((document) =>
      document.errors.length > 0 ? [] : [document.toJS({ maxAliasCount: 100 }) as unknown],
    )
  } catch {
    // A manifest that only mentions the annotation need not be one that can be read.
    return []
  }
}

function readConfigMap(value: unknown): Verification | undefined {
  const root = asObject(value)
  if (root?.['kind'] !== 'ConfigMap') return undefined
  const annotations = asObject(asObject(root['metadata'])?.['annotations'])
  if (annotations === undefined || !Object.hasOwn(annotations, MARK)) return undefined
  const pairs = [
    ...Object.entries(asObject(root['data']) ?? {}).map(([key, text]) => [key, text, 'utf8'] as const),
    ...Object.entries(asObject(root['binaryData']) ?? {}).map(([key, text]) => [key, text, 'base64'] as const),
  ]
  const texts = pairs.flatMap(([key, text, encoding]) => {
    if (typeof text !== 'string') return []
    return [{ key, text: encoding === 'utf8' ? text : Buffer.from(text, 'base64').toString('latin1') }]
  })
  return {
    stores: [...new Set(texts.filter(({ key }) => key.startsWith('store-')).map(({ text }) => text.trim()))],
    keyrings: texts
      .filter(({ key }) => key.startsWith('verifier-public-key-'))
      .map(({ key, text }) => ({ name: key, text })),
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
