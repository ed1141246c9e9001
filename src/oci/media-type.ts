// The media types that a registry must tell apart (image-spec "Media Types", Docker's "Image Manifest
// Version 2"), and the reading of a Content-Type header. A type that is not listed here is never guessed.

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'

// Schema 1 is only read, never taken: registry:2 kept it signed under the first of the two.
export const SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
export const SCHEMA1_PLAIN = 'application/vnd.docker.distribution.manifest.v1+json'

export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** Layers that a registry need not hold: they name other places by `urls`. */
export const FOREIGN_LAYERS: readonly string[] = [
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
]

/** What a push may be, in the order in which messages name them. */
export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]

// RFC 9110 5.6.2 "token" on both sides of the slash. Parameters are ignored (distribution-spec "Pushing
// Manifests"), but a control character, a tab among them, makes the whole header void. No part of the
// pattern can match the same text in two ways, so its time is linear.
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+) *(?:;[\x20-\x7e]*)?$/

/** Gives a header's media type in lower case and without parameters; undefined when it holds none. */
export function parseMediaType(header: string | undefined): string | undefined {
  return header === undefined ? undefined : HEADER.exec(header)?.[1]?.toLowerCase()
}

export function isIndexType(type: string): boolean {
  return type === OCI_INDEX || type === DOCKER_LIST
}

export function isImageType(type: string): boolean {
  return type === OCI_MANIFEST || type === DOCKER_MANIFEST
}

export function isDockerType(type: string): boolean {
  return type === DOCKER_MANIFEST || type === DOCKER_LIST
}

export function isSchema1Type(type: string): boolean {
  return type === SCHEMA1_SIGNED || type === SCHEMA1_PLAIN
}
