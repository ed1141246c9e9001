// The directory that `oc … --to-dir` and `file://` write, as a place to put images into: `oc image mirror --from-dir` reads it.
// A tag is a symbolic link there, so it wants a file system that has such, and ":" in names.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { readManifest, requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { DirSource } from './dir-source.ts'
import type { ImageTarget } from './image-target.ts'
import type { DirectoryWriter } from './write-directory.ts'

/** What oc gives its files. */
export const DIR_MODE = 0o600

/** `before` is what is there already: the same directory. */
export function dirTarget(writer: DirectoryWriter, before: DirSource | undefined, name: string): ImageTarget {
  const put = new Map<string, Digest>()
  const blobPath = (repository: RepositoryName, digest: Digest): string => `v2/${repository}/blobs/${digest}`
  const manifestPath = (repository: RepositoryName, file: string): string => `v2/${repository}/manifests/${file}`
  const read = (repository: RepositoryName, digest: Digest) =>
    before?.readManifest(repository, { kind: 'digest', digest }).catch(() => undefined)
  return {
    name,
    hasBlob: async (repository, { digest, size }) => (await writer.size(blobPath(repository, digest))) === size,
    async putBlob(repository, { digest, size }, open, { from } = {}) {
      // Each repository has its own files there: one that another has needs no bytes of its own.
      const isThere = from !== undefined && (await writer.size(blobPath(from, digest))) === size
      if (isThere && (await explain(name, () => writer.tryLink(blobPath(from, digest), blobPath(repository, digest)))))
        return 'linked'
      const bytes = await open()
      try {
        await explain(name, () => writer.write(blobPath(repository, digest), bytes))
      } finally {
        bytes.destroy()
      }
      return 'sent'
    },
    async hasManifest(repository, digest) {
      if (put.has(`${repository}@${digest}`)) return true
      if ((await writer.size(manifestPath(repository, digest))) === undefined) return false
      const found = await read(repository, digest)
      if (found === undefined) return false
      for (const blob of requiredBlobs(readManifest(found.bytes)))
        if ((await writer.size(blobPath(repository, blob.digest))) !== blob.size) return false
      return true
    },
    async putManifest(repository, { bytes, digest }, tag) {
      await explain(name, async () => {
        await writer.write(blobPath(repository, digest), bytes)
        await writer.link(blobPath(repository, digest), manifestPath(repository, digest), bytes)
        if (tag !== undefined) await writer.symlink(manifestPath(repository, tag), digest)
      })
      put.set(`${repository}@${digest}`, digest)
      if (tag !== undefined) put.set(`${repository}:${tag}`, digest)
    },
    async readTag(repository, tag) {
      const now = put.get(`${repository}:${tag}`)
      return now ?? (await before?.readManifest(repository, { kind: 'tag', tag }).catch(() => undefined))?.digest
    },
    async close() {
      await writer.close()
      await before?.close()
    },
  }
}

async function explain<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // FAT, exFAT and shares of Windows.
    if (!['EINVAL', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EILSEQ'].includes(code)) throw error
    throw new Problem(`the file system of ${name} takes no ":" in names, or no symbolic links: ${code}`, {
      hint: 'write the directory on a disk of this machine, and carry a tar of it; or export to oci-archive:FILE',
      cause: error,
    })
  }
}
