// Signatures of OpenShift releases as oc and oc-mirror leave them beside the images: ConfigMaps in `config/`, or the bytes
// themselves in `working-dir/signatures/`. Whether one is right is for whoever uses it to say.
import type { Digest } from '../oci/digest.ts'
import { joinDigest } from '../oci/digest.ts'
import { MOST_SIGNATURE_BYTES } from '../storage/signatures.ts'
import type { FileTree } from './file-tree.ts'
import { readSmall } from './file-tree.ts'

export interface BesideSignature {
  readonly digest: Digest
  readonly bytes: Buffer
}

const LARGEST_MAP = 4 * 1024 * 1024
const MOST_FILES = 1000
const MAP_FILE = /^signature-.*\.(?:json|ya?ml)$/
const MAP_KEY = /^sha256-([0-9a-f]{64})-\d+$/
// A ConfigMap as oc prints it in YAML has each of these in a line of its own.
const YAML_LINE = /^ *["']?(sha256-[0-9a-f]{64}-\d+)["']?: *["']?([A-Za-z0-9+/]+={0,2})["']? *$/gm
const PLACES = ['config', 'mirror/config', 'working-dir/cluster-resources', 'cluster-resources']
const RAW_PLACES = ['working-dir/signatures', 'signatures']

/** All that lie there. Throws only what the tree throws; files that hold none are passed over. */
export async function readSignaturesBeside(tree: FileTree): Promise<readonly BesideSignature[]> {
  const found: BesideSignature[] = []
  for (const place of PLACES) {
    for (const name of [...(await tree.list(place)).keys()].slice(0, MOST_FILES)) {
      if (!MAP_FILE.test(name)) continue
      const bytes = await readUpTo(tree, `${place}/${name}`, LARGEST_MAP)
      if (bytes !== undefined) found.push(...readMap(bytes.toString('utf8')))
    }
  }
  for (const place of RAW_PLACES) {
    for (const name of [...(await tree.list(place)).keys()].slice(0, MOST_FILES)) {
      const digest = joinDigest('sha256', /(?:^|[^0-9a-f])([0-9a-f]{64})$/.exec(name)?.[1] ?? '')
      const bytes = digest && (await readUpTo(tree, `${place}/${name}`, MOST_SIGNATURE_BYTES))
      if (digest !== undefined && bytes !== undefined && bytes.length > 0) found.push({ digest, bytes })
    }
  }
  return found
}

async function readUpTo(tree: FileTree, path: string, most: number): Promise<Buffer | undefined> {
  return ((await tree.size(path)) ?? Infinity) <= most ? readSmall(tree, path, most) : undefined
}

function readMap(text: string): readonly BesideSignature[] {
  return listEntries(text).flatMap(([key, base64]) => {
    const digest = joinDigest('sha256', MAP_KEY.exec(key)?.[1] ?? '')
    const bytes = Buffer.from(base64, 'base64')
    const isOne = bytes.length > 0 && bytes.length <= MOST_SIGNATURE_BYTES
    return digest !== undefined && isOne ? [{ digest, bytes }] : []
  })
}

function listEntries(text: string): readonly (readonly [string, string])[] {
  let map: unknown
  try {
    map = JSON.parse(text)
  } catch {
    // oc up to 4.10 wrote JSON into a .yaml; people write YAML.
    return [...text.matchAll(YAML_LINE)].map(([, key = '', value = '']) => [key, value] as const)
  }
  const { binaryData } = (map ?? {}) as { binaryData?: unknown }
  if (typeof binaryData !== 'object' || binaryData === null) return []
  return Object.entries(binaryData).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  )
}
