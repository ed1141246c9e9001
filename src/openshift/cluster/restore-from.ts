// Where lost images can be had again: the places that a person names, and what each of them has of what is missing. Reads
// names, sizes and the indexes of bundles, and asks registries; for commands.
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readBundleHead } from '../../bundle/read-bundle.ts'
import { Problem } from '../../config/problem.ts'
import { readRegistryHost } from '../../config/registry-host.ts'
import type { Digest } from '../../oci/digest.ts'
import { createLayout } from '../../storage/layout.ts'
import { statFile } from '../../storage/stamp.ts'
import { quoteWord } from './handout.ts'
import type { AskRegistry } from './restore-from-registry.ts'
import { openRegistryPlace } from './restore-from-registry.ts'
import type { RestorePlace } from './restore-place.ts'

/** Looks at a directory, a file or the name of a registry, which `ask` asks. Throws a Problem for what is none of them. */
export async function openRestorePlace(text: string, ask: AskRegistry): Promise<RestorePlace> {
  const plain = text.replace(/^(?:data|dir|oci|bundle):/, '')
  const stat = statSync(plain, { throwIfNoEntry: false })
  if (stat?.isFile()) return openArchive(text, plain)
  if (stat?.isDirectory()) return openDirectory(text, resolve(plain))
  const host = /[.:]/.test(plain) && !plain.startsWith('/') ? readRegistryHost(plain.split('/')[0] ?? '') : undefined
  if (host === undefined) {
    throw new Problem(`there is no ${plain} to restore from`, {
      hint: 'name a data directory, a directory of oc, an archive, a bundle, or the host of a registry',
      exitCode: 2,
    })
  }
  const [, ...path] = plain.split('/')
  return openRegistryPlace({ text, host, path: path.join('/') }, ask)
}

async function openArchive(text: string, path: string): Promise<RestorePlace> {
  const file = quoteWord(path)
  const carried = await readCarried(path)
  if (carried === undefined) {
    const why = 'only reading it to its end would tell'
    return { text, kind: 'archive', look: async () => ({ has: undefined, why, command: `tarn import data:${file}` }) }
  }
  return {
    text,
    kind: 'bundle',
    look: by(
      (digest) => carried.has(digest),
      () => `tarn bundle apply ${file}`,
    ),
  }
}

/** What a bundle carries, by the index at its beginning; undefined for any other file. */
async function readCarried(path: string): Promise<ReadonlySet<Digest> | undefined> {
  const bytes = createReadStream(path)
  try {
    const { index } = await readBundleHead(bytes)
    return new Set(index.blobs.filter(({ part }) => part > 0).map(({ digest }) => digest))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return undefined
  } finally {
    bytes.destroy()
  }
}

function openDirectory(text: string, path: string): RestorePlace {
  const isThere = (name: string): boolean =>
    statSync(join(path, name), { throwIfNoEntry: false })?.isDirectory() === true
  const word = quoteWord(path)
  if (isThere('docker/registry/v2')) {
    const layout = createLayout(path)
    const has = (digest: Digest): boolean => statFile(layout.blobData(digest)) !== undefined
    return { text, kind: 'data directory', look: by(has, () => `tarn import data:${word}`) }
  }
  if (isThere('v2')) {
    const folders = findFolders(join(path, 'v2'), 'manifests', 0)
    const has = (digest: Digest): boolean =>
      folders.some((folder) =>
        [digest, digest.replace(':', '-')].some((name) => statFile(join(folder, name)) !== undefined),
      )
    return { text, kind: 'oc directory', look: by(has, (repository) => `tarn import dir:${word} ${repository}`) }
  }
  if (isThere('blobs')) {
    const has = (digest: Digest): boolean => statFile(join(path, 'blobs', digest.replace(':', '/'))) !== undefined
    return { text, kind: 'OCI layout', look: by(has, (repository) => `tarn import oci:${word} ${repository}`) }
  }
  throw new Problem(`${text} is no directory that images can be restored from`, {
    hint: 'a data directory has docker/registry/v2 in it, one of oc has v2',
    exitCode: 2,
  })
}

/** Looks by the digest of the manifest; one that is not known may be there. */
function by(has: (digest: Digest) => boolean, command: (repository: string) => string): RestorePlace['look'] {
  return async ({ digest, repositories }) => ({
    has: digest && has(digest),
    command: command(repositories[0] ?? 'REPOSITORY'),
  })
}

const DEEPEST = 8

function findFolders(directory: string, name: string, depth: number): string[] {
  if (depth > DEEPEST) return []
  const entries = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.name === name) return [path]
    return entry.name === 'blobs' ? [] : findFolders(path, name, depth + 1)
  })
}
