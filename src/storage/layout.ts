// The data directory of docker/distribution as paths. Nothing else in Tarn joins a path below the data
// directory, and nothing here takes a string from outside: only parsed digests, names, tags and upload ids.
//
//   <root>/docker/registry/v2/
//     blobs/<alg>/<hex[0:2]>/<hex>/data                       bytes of a layer, config or manifest
//     blobs/<alg>/<hex[0:2]>/<hex>/trashed                    the same after collection, until it is deleted
//     repositories/<name>/
//       _layers/<alg>/<hex>/link                              this repository may serve that blob
//       _manifests/revisions/<alg>/<hex>/link                 this repository holds that manifest
//       _manifests/tags/<tag>/current/link                    what the tag points to
//       _manifests/tags/<tag>/index/<alg>/<hex>/link          what it ever pointed to
//       _uploads/<uuid>/{startedat,data,owner}                an upload under way
//   <root>/.tarn/                                             what Tarn adds (docs/formats/data-dir.md)
//     lock-<inode>  keeper.json  cache/  tmp/  quarantine/  state/
//     state/signatures/sha256=<hex>/signature-<n>             signatures of OpenShift releases, as their stores name them
import { join } from 'node:path'
import type { Algorithm, Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { UploadId } from './upload-id.ts'

/** 64 hexadecimal digits: what tells one bundle from another (docs/formats/bundle.md). */
export type BundleId = string & { readonly __brand: 'BundleId' }

export function isBundleId(text: string): text is BundleId {
  return /^[0-9a-f]{64}$/.test(text)
}

export type Layout = ReturnType<typeof createLayout>

/** Makes the paths of the data directory `root` (an absolute path). */
export function createLayout(root: string) {
  const v2 = join(root, 'docker', 'registry', 'v2')
  const repositories = join(v2, 'repositories')
  const own = join(root, '.tarn')

  const byDigest = (digest: Digest): string => `${algorithmOf(digest)}/${hexOf(digest)}`
  const repository = (name: RepositoryName): string => `${repositories}/${name}`
  const layers = (name: RepositoryName): string => `${repository(name)}/_layers`
  const revisions = (name: RepositoryName): string => `${repository(name)}/_manifests/revisions`
  const tags = (name: RepositoryName): string => `${repository(name)}/_manifests/tags`
  const tag = (name: RepositoryName, tag: Tag): string => `${tags(name)}/${tag}`
  const upload = (name: RepositoryName, id: UploadId): string => `${repository(name)}/_uploads/${id}`
  const blob = (digest: Digest): string => {
    const hex = hexOf(digest)
    return `${v2}/blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`
  }

  return {
    root,
    repositories,
    blobs: `${v2}/blobs`,
    blob,
    blobData: (digest: Digest): string => `${blob(digest)}/data`,
    // Beside the bytes and not in a directory of its own: so that taking and giving back need no space, no inode and
    // no second file system. Other programs read only files named `data` here.
    blobTrash: (digest: Digest): string => `${blob(digest)}/trashed`,
    repository,
    layers,
    layerLink: (name: RepositoryName, digest: Digest): string => `${layers(name)}/${byDigest(digest)}/link`,
    revisions,
    revisionsOf: (name: RepositoryName, algorithm: Algorithm): string => `${revisions(name)}/${algorithm}`,
    revisionLink: (name: RepositoryName, digest: Digest): string => `${revisions(name)}/${byDigest(digest)}/link`,
    tags,
    tag,
    tagLink: (name: RepositoryName, t: Tag): string => `${tag(name, t)}/current/link`,
    tagIndex: (name: RepositoryName, t: Tag): string => `${tag(name, t)}/index`,
    tagIndexLink: (name: RepositoryName, t: Tag, digest: Digest): string =>
      `${tag(name, t)}/index/${byDigest(digest)}/link`,
    uploads: (name: RepositoryName): string => `${repository(name)}/_uploads`,
    upload,
    uploadData: (name: RepositoryName, id: UploadId): string => `${upload(name, id)}/data`,
    uploadStartedAt: (name: RepositoryName, id: UploadId): string => `${upload(name, id)}/startedat`,
    uploadOwner: (name: RepositoryName, id: UploadId): string => `${upload(name, id)}/owner`,
    own,
    cache: `${own}/cache`,
    tmp: `${own}/tmp`,
    // Below tmp and yet kept over a restart: what the mirror has of images that are not whole.
    mirror: `${own}/tmp/mirror`,
    mirrorBlobs: `${own}/tmp/mirror/blobs`,
    mirrorBlob: (digest: Digest): string => `${own}/tmp/mirror/blobs/${algorithmOf(digest)}-${hexOf(digest)}`,
    mirrorFills: `${own}/tmp/mirror/fills`,
    // Kept over a restart as well: blobs of an archive that is being taken in, until all of it was looked at.
    incoming: `${own}/tmp/incoming`,
    incomingBlob: (digest: Digest): string => `${own}/tmp/incoming/${algorithmOf(digest)}-${hexOf(digest)}`,
    lock: (inode: number): string => `${own}/lock-${inode}`,
    keeper: `${own}/keeper.json`,
    state: `${own}/state`,
    pins: `${own}/state/pins`,
    pulls: `${own}/state/pulls`,
    // What bundles brought: their indexes, under the ids of the bundles (docs/formats/bundle.md).
    bundles: `${own}/state/bundles`,
    bundleIndex: (id: BundleId): string => `${own}/state/bundles/${id}.json`,
    bundleSignature: (id: BundleId): string => `${own}/state/bundles/${id}.json.sig`,
    // What an apply of the bundle did here, written by nobody but that.
    bundleReceipt: (id: BundleId): string => `${own}/state/bundles/${id}.receipt.json`,
    bundlePart: (id: BundleId, part: number, parts: number): string =>
      `${own}/state/bundles/${id}.part-${padNumber(part)}-of-${padNumber(parts)}`,
    // Beside where the bytes belong, so that `cat slice-* > data` makes the blob. Other programs read no such name.
    blobSlice: (digest: Digest, slice: number, slices: number): string =>
      `${blob(digest)}/slice-${padNumber(slice)}-of-${padNumber(slices)}`,
    mirroredMarks: `${own}/state/mirrored`,
    // The underscore keeps it apart from repositories below, whose names have none there.
    mirrored: (name: RepositoryName): string => `${own}/state/mirrored/${name}/_marks`,
    // The names of OpenShift's signature stores, so that such a store can be copied here, and from here, as it is.
    signatures: `${own}/state/signatures`,
    signaturesOf: (digest: Digest): string => `${own}/state/signatures/${algorithmOf(digest)}=${hexOf(digest)}`,
    signature: (digest: Digest, number: number): string =>
      `${own}/state/signatures/${algorithmOf(digest)}=${hexOf(digest)}/signature-${Math.trunc(number)}`,
    // What came with a release when it was mirrored here.
    releaseRecord: (digest: Digest): string => `${own}/state/releases/${algorithmOf(digest)}=${hexOf(digest)}.json`,
    syncReports: `${own}/state/sync`,
    syncReport: (id: string): string => `${own}/state/sync/${id}/report.json`,
    checkCursor: `${own}/state/check.json`,
    lastCollection: `${own}/state/collection.json`,
    quarantine: `${own}/quarantine`,
    quarantined: (digest: Digest, time: number): string =>
      `${own}/quarantine/${algorithmOf(digest)}-${hexOf(digest)}.${time}`,
  }
}

// In the order of their names they are in the order of their numbers.
function padNumber(number: number): string {
  return String(Math.trunc(number)).padStart(4, '0')
}

/** Joins a path that a walk over the data directory is at with an entry's name that readdir gave. */
export function childOf(directory: string, entry: string): string {
  return join(directory, entry)
}
