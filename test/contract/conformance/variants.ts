// The data variants that the conformance checks are repeated for: each name is one shape of image, index
// or artifact that some client pushes. A variant must never depend on what another one pushed.
import { randomBytes } from 'node:crypto'
import { hashOf } from '../../helpers/digest.ts'
import type { Algorithm, Content, Descriptor, ManifestOptions } from './content.ts'
import {
  KIND_ONE,
  KIND_TWO,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_LAYER,
  OCI_MANIFEST,
  OCTETS,
  addBlob,
  addIndex,
  addLayer,
  addManifest,
  makeContent,
} from './content.ts'

export interface Variant {
  readonly name: string
  /** Only demanded by the rules after distribution-spec 1.1.1. */
  readonly dev?: boolean
  /** Names content that is not there; a registry may be set up to refuse it. */
  readonly sparse?: boolean
  /** Tags go by `?tag=` with the push by digest. */
  readonly tagParameter?: boolean
  make(content: Content): void
}

interface ImageOptions extends ManifestOptions {
  readonly architecture?: string
  readonly layers?: number
  readonly plain?: boolean
  readonly inline?: boolean
}

const AMD64 = { os: 'linux', architecture: 'amd64' }
const ARM64 = { os: 'linux', architecture: 'arm64' }
const NOTE = { 'org.opencontainers.conformance': 'hello from the checks' }

function addImage(content: Content, options: ImageOptions = {}): Descriptor {
  const layers = Array.from({ length: options.layers ?? 2 }, () => addLayer(content, options))
  return addManifest(content, addConfig(content, options), layers, options)
}

function addConfig(content: Content, options: ImageOptions): Descriptor {
  const config = {
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    author: `conformance ${randomBytes(8).toString('hex')}`,
    rootfs: { type: 'layers', diff_ids: [hashOf(randomBytes(16))] },
    ...options.extra,
  }
  return addBlob(content, Buffer.from(JSON.stringify(config)), OCI_CONFIG, options)
}

function addArtifact(content: Content, kind: string, options: ManifestOptions = {}): Descriptor {
  const config = addBlob(content, Buffer.from('{}'), OCI_EMPTY, options)
  return addManifest(content, config, [addBlob(content, randomBytes(2048), kind, options)], {
    artifactType: kind,
    ...options,
  })
}

function addMultiArch(content: Content, options: ImageOptions = {}): Descriptor {
  const { tag: _, subject: __, artifactType: ___, annotations: ____, ...child } = options
  return addIndex(
    content,
    [AMD64, ARM64].map((platform) => ({
      ...addImage(content, { ...child, architecture: platform.architecture }),
      platform,
    })),
    options,
  )
}

function addArtifactIndex(content: Content, options: ManifestOptions): Descriptor {
  const children = [AMD64, ARM64].map((platform) => ({
    ...addArtifact(content, KIND_ONE),
    platform,
  }))
  return addIndex(content, children, { artifactType: KIND_ONE, ...options })
}

function noteUniquely(): Readonly<Record<string, string>> {
  return {
    ...NOTE,
    [`org.example.${randomBytes(6).toString('hex')}`]: randomBytes(6).toString('hex'),
  }
}

function addTagged(content: Content, algorithm: Algorithm): void {
  const name = `tag-param-${algorithm}`
  addMultiArch(content, { algorithm, tag: name })
  for (const [at, { digest }] of content.manifests.entries()) content.tags.set(`${name}-${at}`, digest)
}

export const VARIANTS: readonly Variant[] = [
  { name: 'image', make: (content) => void addImage(content, { tag: 'image' }) },
  {
    name: 'image-uncompressed',
    make: (content) => void addImage(content, { tag: 'image-uncompressed', plain: true }),
  },
  {
    name: 'large-manifest',
    make: (content) => {
      const annotations = Object.fromEntries(
        Array.from({ length: 390 }, (_, at) => [`large-${at}`, 'A'.repeat(10_000)]),
      )
      addImage(content, { tag: 'large-manifest', annotations })
    },
  },
  { name: 'index', make: (content) => void addMultiArch(content, { tag: 'index' }) },
  {
    name: 'nested-index',
    make: (content) => void addIndex(content, [addMultiArch(content), addMultiArch(content)], { tag: 'nested' }),
  },
  { name: 'empty-index', make: (content) => void addIndex(content, [], { tag: 'index' }) },
  { name: 'artifact', make: (content) => void addArtifact(content, KIND_ONE, { tag: 'artifact' }) },
  {
    name: 'artifact-index',
    make: (content) => void addArtifactIndex(content, { tag: 'artifact-index' }),
  },
  {
    name: 'artifact-without-layers',
    make: (content) => {
      const empty = addBlob(content, Buffer.from('{}'), OCI_EMPTY)
      addManifest(content, empty, [empty], {
        artifactType: KIND_ONE,
        tag: 'artifact-without-layers',
      })
    },
  },
  {
    name: 'artifacts-with-subject',
    make: (content) => {
      const subject = addImage(content, { tag: 'image' })
      addImage(content, { subject })
      addArtifact(content, KIND_ONE, {
        subject,
        annotations: noteUniquely(),
        tag: 'tagged-artifact1',
      })
      addArtifact(content, KIND_TWO, {
        subject,
        annotations: noteUniquely(),
        tag: 'tagged-artifact2',
      })
    },
  },
  {
    name: 'index-with-subject',
    make: (content) => {
      const subject = addMultiArch(content, { tag: 'index' })
      addArtifactIndex(content, { subject, annotations: noteUniquely(), tag: 'tagged-artifact' })
      addIndex(content, [], { subject, annotations: noteUniquely() })
    },
  },
  {
    name: 'missing-subject',
    make: (content) => {
      const subject = { mediaType: OCI_MANIFEST, digest: hashOf(randomBytes(64)), size: 123 }
      content.absent.push(subject.digest)
      addArtifact(content, KIND_ONE, {
        subject,
        annotations: noteUniquely(),
        tag: 'tagged-artifact',
      })
    },
  },
  {
    name: 'data-field',
    make: (content) => void addImage(content, { tag: 'data-field', inline: true }),
  },
  {
    name: 'non-distributable-layers',
    make: (content) => {
      const foreign = ['', '+gzip'].map((suffix) => {
        const digest = hashOf(randomBytes(64))
        content.absent.push(digest)
        const mediaType = OCI_LAYER.replace('.tar', `.tar${suffix}`).replace('layer.v1', 'layer.nondistributable.v1')
        return { mediaType, digest, size: 123_456, urls: [`https://store.example.com/${digest}`] }
      })
      addManifest(content, addConfig(content, {}), [...foreign, addLayer(content)], {
        tag: 'non-distributable',
      })
    },
  },
  {
    name: 'custom-fields',
    make: (content) => {
      const extra = {
        [`org.example.${randomBytes(6).toString('hex')}`]: randomBytes(6).toString('hex'),
      }
      addMultiArch(content, { tag: 'custom-fields', extra })
    },
  },
  { name: 'no-layers', make: (content) => void addImage(content, { tag: 'no-layers', layers: 0 }) },
  {
    name: 'sparse-index',
    sparse: true,
    make: (content) => {
      const absent = {
        mediaType: OCI_MANIFEST,
        digest: hashOf(randomBytes(64)),
        size: 1024,
        platform: ARM64,
      }
      content.absent.push(absent.digest)
      addIndex(content, [{ ...addImage(content), platform: AMD64 }, absent], {
        tag: 'sparse-index',
      })
    },
  },
  {
    name: 'sparse-image',
    sparse: true,
    make: (content) => {
      const [first, second] = [addLayer(content), addLayer(content)]
      addManifest(content, addConfig(content, {}), [first, second], { tag: 'sparse-image' })
      content.blobs.delete(first.digest)
      content.absent.push(first.digest)
    },
  },
  { name: 'sha512', make: (content) => void addMultiArch(content, { algorithm: 'sha512' }) },
  {
    name: 'tag-param-sha256',
    dev: true,
    tagParameter: true,
    make: (content) => addTagged(content, 'sha256'),
  },
  {
    name: 'tag-param-sha512',
    dev: true,
    tagParameter: true,
    make: (content) => addTagged(content, 'sha512'),
  },
  {
    name: 'many-kinds-of-layer',
    make: (content) => {
      const layers = [OCTETS, KIND_ONE, KIND_TWO, `${OCI_LAYER}+zstd`].map((kind) =>
        addBlob(content, randomBytes(700), kind),
      )
      addManifest(content, addConfig(content, {}), layers, { tag: 'many-kinds' })
    },
  },
]

/** Makes the content of a variant, fresh bytes each time. */
export function fillVariant(variant: Variant): Content {
  const content = makeContent(variant.name)
  variant.make(content)
  return content
}
