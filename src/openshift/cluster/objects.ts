// Objects of Kubernetes as text: YAML that `oc apply` takes, and JSON or YAML that `oc get` gave.
import { parseAllDocuments, stringify } from 'yaml'
import { Problem } from '../../config/problem.ts'

export type KubeObject = Readonly<Record<string, unknown>>

const MOST_BYTES = 32 * 1024 * 1024

/** One YAML document; certificates stand in blocks, nothing is folded. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
}

/** Several documents, `---` between them. */
export function toYamlStream(values: readonly unknown[]): string {
  return values.map(toYaml).join('---\n')
}

/**
 * All objects of a text in JSON or YAML, those of a List one by one. Messages name `source` and never quote the text, which
 * may hold a secret. Throws a Problem.
 */
export function readObjects(text: string, source: string): KubeObject[] {
  if (text.length > MOST_BYTES) throw new Problem(`${source} is too large for objects of a cluster`)
  return readDocuments(text, source).flatMap((document) => {
    if (!isObject(document)) {
      throw new Problem(`${source} holds no object of a cluster`, {
        hint: 'as `oc get … -o json` or `-o yaml` prints it',
      })
    }
    const { items } = document
    return Array.isArray(items) && String(document['kind']).endsWith('List') ? items.filter(isObject) : [document]
  })
}

/** The documents of a text in JSON or YAML, whatever they are. Throws a Problem that quotes nothing. */
export function readDocuments(text: string, source: string): unknown[] {
  try {
    // JSON is YAML, and far quicker to read as what it is.
    if (/^\s*[[{]/.test(text)) return [JSON.parse(text)]
  } catch {
    // Perhaps several documents, or YAML in braces.
  }
  try {
    const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'silent' })
    if (Array.isArray(documents) && documents.every(({ errors }) => errors.length === 0)) {
      // An alias of nothing, or of more than anybody writes, is told here.
      return documents.map((each) => each.toJS({ maxAliasCount: 100 }) as unknown).filter((value) => value !== null)
    }
    if (!Array.isArray(documents)) return []
  } catch {
    // Its message may quote the text.
  }
  throw new Problem(`${source} is neither JSON nor YAML`, { hint: 'as `oc get … -o json` or `-o yaml` prints it' })
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `metadata` as somebody wrote it, without what the cluster adds: else `oc apply` of it would be refused or pointless. */
export function ownMetadata(metadata: unknown): Record<string, unknown> {
  if (!isObject(metadata)) return {}
  const { name, namespace, labels, annotations } = metadata
  const own = isObject(annotations)
    ? Object.entries(annotations).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration')
    : []
  return {
    ...(typeof name === 'string' && { name }),
    ...(typeof namespace === 'string' && { namespace }),
    ...(isObject(labels) && { labels }),
    ...(own.length > 0 && { annotations: Object.fromEntries(own) }),
  }
}
