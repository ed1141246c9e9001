// The second half of `tarn cluster doctor`: login, /v2/, images through the mirror set, all components of a release, and its
// signature, asked as a node asks.
import type { ImageSource as ImageName } from '../../config/image-source.ts'
import { formatImageSource } from '../../config/image-source.ts'
import { registrySource } from '../../exchange/registry-source.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { Reference } from '../../oci/reference.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import { findPayload } from '../find-payload.ts'
import type { Check } from './check.ts'
import { failed, passed, skipped, warned } from './check.ts'
import { locateImage } from './mirror-pairs.ts'
import type { MirrorSets } from './read-mirror-sets.ts'
import type { RegistryName } from './registry-name.ts'

export interface ImagesOptions {
  readonly registry: RegistryName
  /** Logs in as nodes do. */
  readonly client: UpstreamClient
  readonly sets: MirrorSets
  /** By their names outside. */
  readonly images: readonly ImageName[]
  /** A release image by its name here. */
  readonly release:
    | { readonly repository: RepositoryName; readonly reference: Reference; readonly text: string }
    | undefined
  /** Whether a signature of a digest is served; undefined where that could not be asked. */
  readonly hasSignature: (digest: Digest) => Promise<boolean | undefined>
}

// As many at a time as a busy node asks.
const AT_ONCE = 8
const MOST_TOLD = 20

/** Each image and the release; nothing is downloaded but manifests and the payload of the release. */
export async function checkImages(options: ImagesOptions): Promise<Check[]> {
  const { images, sets, registry } = options
  const checks: Check[] = []
  if (sets.digest.length + sets.tag.length === 0) {
    checks.push(
      failed(
        'mirror set',
        `nothing says that images lie at ${registry.name}`,
        'see what tarn cluster mirror-set makes; here: --mirror-set FILE, --from-cluster, --source NAME=REPOSITORY',
      ),
    )
  } else {
    checks.push(passed('mirror set', `${sets.digest.length} sources by digest, ${sets.tag.length} by tag`))
  }
  for (const image of images) checks.push(await checkImage(options, image, `image ${formatImageSource(image)}`))
  if (images.length === 0 && options.release === undefined) {
    checks.push(skipped('image', 'none was given: --image NAME@DIGEST, --release REPOSITORY:TAG'))
  }
  if (options.release !== undefined) checks.push(...(await checkRelease(options, options.release)))
  return checks
}

async function checkImage({ client, sets, registry }: ImagesOptions, image: ImageName, name: string): Promise<Check> {
  const { host, repository, tag, digest } = image
  const pairs = digest === undefined ? sets.tag : sets.digest
  const own = host === registry.name ? [`${host}/${repository}`] : []
  const places = [...own, ...locateImage(pairs, `${host}/${repository}`)].map((place) =>
    place.slice(registry.name.length + 1),
  )
  const by = digest === undefined ? 'tag' : 'digest'
  if (places.length === 0)
    return failed(
      name,
      `no mirror set says where it lies, for pulls by ${by}`,
      `add --source ${host}/${repository}=REPOSITORY to tarn cluster mirror-set`,
    )
  const reference: Reference | undefined =
    digest !== undefined ? { kind: 'digest', digest } : tag !== undefined ? { kind: 'tag', tag } : undefined
  if (reference === undefined)
    return failed(name, 'it has neither tag nor digest', 'as in --image quay.io/org/app@sha256:…')
  let last = ''
  for (const place of places.filter(isRepositoryName)) {
    try {
      await client.getManifest(place, reference)
      return passed(name, `is at ${registry.name}/${place}`)
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      last = describeFailure(error, `${registry.name}/${place}`)
    }
  }
  return failed(
    name,
    last,
    'bring it: tarn sync, tarn release mirror, tarn import; see what is lost: tarn cluster repair --in-use FILE',
  )
}

async function checkRelease(options: ImagesOptions, release: NonNullable<ImagesOptions['release']>): Promise<Check[]> {
  const { client } = options
  const name = `release ${release.text}`
  let payload: Awaited<ReturnType<typeof findPayload>>
  try {
    payload = await findPayload(registrySource({ client }), release, release.text)
  } catch (error) {
    return [failed(name, (error as Error).message, 'name a release image that lies here: --release REPOSITORY:TAG')]
  }
  const waiting = payload.components.map((component, index) => ({ component, index }))
  const found: Check[] = []
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { host, repository, digest } = next.component
      found[next.index] = await checkImage(options, { host, repository, digest }, `component ${next.component.name}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const lost = found.filter(({ state }) => state === 'failed')
  const all = found.length
  const checks = [
    lost.length === 0
      ? passed(name, `all ${all} components of ${payload.version} can be pulled`)
      : failed(
          name,
          `${lost.length} of ${all} components of ${payload.version} cannot be pulled`,
          'mirror it again: tarn release mirror',
        ),
    ...lost.slice(0, MOST_TOLD),
    ...(lost.length > MOST_TOLD
      ? [failed(name, `${lost.length - MOST_TOLD} more`, 'tarn release verify names them all')]
      : []),
  ]
  const hasSignature = await options.hasSignature(payload.digest)
  if (hasSignature === undefined) return checks
  const sign = `signature of ${payload.digest}`
  checks.push(
    hasSignature
      ? passed(sign, 'is in the signature store of this registry')
      : warned(
          sign,
          'is not in the signature store of this registry',
          'an update to this release wants it: tarn release mirror fetches it, tarn cluster signatures hands it out',
        ),
  )
  return checks
}

function describeFailure({ kind, message, status }: UpstreamError, place: string): string {
  if (kind === 'notFound') return `is not at ${place}`
  if (kind === 'unauthorized') return `${place}: this login may not pull it (${status ?? 'refused'})`
  return `${place}: ${message}`
}
