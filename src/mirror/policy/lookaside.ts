// Signatures of containers/image at the address that registries.d names for a repository: each under the image's name and
// digest, numbered from 1 until one is not there.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Lookaside } from '../../config/lookaside.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Fetcher } from '../../upstream/fetch-small.ts'
import type { DockerReference } from './docker-reference.ts'
import { scopesOf } from './docker-reference.ts'
import { PolicyError } from './policy-error.ts'

const LARGEST_SIGNATURE = 4_194_304
const MOST_SIGNATURES = 128

/** The signatures of an image; none where no address is named. Throws when that cannot be said. */
export async function readSignatures(
  lookaside: Lookaside,
  { name, tag }: DockerReference,
  digest: Digest,
  { fetcher, signal }: { readonly fetcher: Pick<Fetcher, 'get'>; readonly signal: AbortSignal },
): Promise<Buffer[]> {
  const scopes = [...scopesOf({ name, ...(tag !== undefined && { tag }) }), '']
  const base = scopes.map((scope) => lookaside.get(scope)).find((address) => address !== undefined)
  if (base === undefined) return []
  const [algorithm = '', hex = ''] = digest.split(':')
  // Without the registry: its address says which one it is.
  const path = name.slice(name.indexOf('/') + 1)
  const found: Buffer[] = []
  for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
    const address = `${base.replace(/\/+$/, '')}/${path}@${algorithm}=${hex}/signature-${number}`
    const bytes = await readAddress(address, fetcher, signal)
    if (bytes === undefined) break
    found.push(bytes)
  }
  return found
}

async function readAddress(
  address: string,
  fetcher: Pick<Fetcher, 'get'>,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  if (!address.startsWith('file:')) return fetcher.get(address, { limit: LARGEST_SIGNATURE, signal })
  try {
    return await readFile(fileURLToPath(address), { signal })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || signal.aborted) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new PolicyError(`cannot read the signature ${fileURLToPath(address)}: ${code}`, { cause: error })
  }
}
