// The data directory as a place to read a release's payload from, for commands that only look: no lock, no server, nothing
// written, nothing remembered.
import { createReadStream } from 'node:fs'
import type { ImageSource } from '../../exchange/image-source.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Layout } from '../../storage/layout.ts'
import { readManifestFile } from '../../storage/read-manifest-file.ts'
import { readTag } from '../../storage/read-repository.ts'

const NOTHING = { onStray: () => undefined, onUnreadable: () => undefined }

/** Reads what is asked for by name; it lists nothing. Bytes of blobs are not verified, those of manifests are. */
export function lookSource(layout: Layout): ImageSource {
  return {
    name: 'the data directory',
    async *images() {},
    async readManifest(repository, reference) {
      const name = need(repository)
      const digest =
        reference.kind === 'digest' ? reference.digest : readTag(layout, name, reference.tag, NOTHING).target
      const file = digest && readManifestFile(layout, digest)
      if (digest === undefined || file?.state !== 'read') return undefined
      return { bytes: file.bytes, digest, mediaType: file.manifest.mediaType }
    },
    openBlob: async (_repository, { digest }) => createReadStream(layout.blobData(digest)),
    listReferrers: async () => [],
    close: async () => undefined,
  }
}

function need(repository: RepositoryName | undefined): RepositoryName {
  if (repository === undefined) throw new Error('the data directory has no image without a repository')
  return repository
}
