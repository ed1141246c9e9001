// What a payload says, as people and programs are told.
import { formatImageSource } from '../config/image-source.ts'
import type { Payload } from './find-payload.ts'
import { componentVersions } from './payload.ts'
import type { ReleasePlace } from './release-place.ts'
import type { ReleaseInfo, SignatureReport } from './release-report.ts'

export function describeRelease(place: ReleasePlace, payload: Payload, signature: SignatureReport): ReleaseInfo {
  const { digest, components } = payload
  const where = place.origin ?? place.repository ?? place.source.name
  return {
    name: place.name,
    version: payload.version,
    digest,
    image: payload.image,
    created: payload.imageCreated ?? payload.created,
    os: payload.os,
    architecture: payload.architecture,
    architectures: payload.architectures,
    isList: payload.isList,
    pullFrom: `${where}@${digest}`,
    files: payload.files,
    metadata: payload.metadata,
    versions: componentVersions(components),
    images: components.map(({ name, host, repository, digest: of }) => ({
      name,
      digest: of,
      pullSpec: formatImageSource({ host, repository, digest: of }),
    })),
    signature,
  }
}
