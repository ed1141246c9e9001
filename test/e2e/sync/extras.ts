// An image for two platforms with what is about it: attestations in its index, a signature by cosign's tag, an SBOM by the
// tag that stands in for the referrers API; and an image of docker's own format.
import { TYPES } from '../mirror/images.ts'
import { Planter } from './plant-images.ts'

/** The repository that has them. */
export const EXTRAS = 'extras/app'

const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

export async function plantExtras(data: string): Promise<void> {
  const planter = new Planter(data)
  const image = async (size: number) => planter.image(EXTRAS, undefined, [await planter.layer(size)])
  const [amd64, arm64, attestation] = [await image(50_000), await image(60_000), await image(3000)]
  const child = (digest: string, size: number, more: object) => ({ mediaType: TYPES.image, digest, size, ...more })
  const index = await planter.manifest(
    EXTRAS,
    {
      schemaVersion: 2,
      mediaType: TYPES.index,
      manifests: [
        child(amd64.digest, amd64.size, { platform: { os: 'linux', architecture: 'amd64' } }),
        child(arm64.digest, arm64.size, { platform: { os: 'linux', architecture: 'arm64' } }),
        child(attestation.digest, attestation.size, {
          platform: { os: 'unknown', architecture: 'unknown' },
          annotations: {
            'vnd.docker.reference.type': 'attestation-manifest',
            'vnd.docker.reference.digest': amd64.digest,
          },
        }),
      ],
    },
    'multi',
  )
  const base = index.replace(':', '-')
  await planter.image(EXTRAS, `${base}.sig`, [await planter.layer(500)])
  const subject = { mediaType: TYPES.index, digest: index, size: 1 }
  const sbom = await planter.image(EXTRAS, undefined, [await planter.layer(700)], {
    artifactType: 'application/spdx+json',
    subject,
  })
  const list = [{ ...child(sbom.digest, sbom.size, {}), artifactType: 'application/spdx+json' }]
  await planter.manifest(EXTRAS, { schemaVersion: 2, mediaType: TYPES.index, manifests: list }, base)
  await planter.image(EXTRAS, 'docker', [await planter.layer(9000)], {}, DOCKER)
}
