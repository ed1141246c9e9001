// Copies everything of one place to another and compares, for tests of formats.
import type { CopyReport } from '../../src/exchange/copied-image.ts'
import { copyImages } from '../../src/exchange/copy-images.ts'
import type { ImageSource, SourceImage } from '../../src/exchange/image-source.ts'
import type { ImageTarget } from '../../src/exchange/image-target.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Reference } from '../../src/oci/reference.ts'

export async function listSource(source: ImageSource): Promise<SourceImage[]> {
  const images: SourceImage[] = []
  for await (const image of source.images()) images.push(image)
  return images
}

/** `team/app:1`, `team/app@sha256:…`, sorted. */
export async function namesOf(source: ImageSource): Promise<string[]> {
  const images = await listSource(source)
  return images
    .map(({ repository, tag, digest }) => `${repository ?? ''}${tag === undefined ? `@${digest}` : `:${tag}`}`)
    .toSorted()
}

/** Copies all that the source lists, to `to` where it has no repository; closes the target. */
export async function copyAll(
  source: ImageSource,
  target: ImageTarget,
  options: { readonly to?: string; readonly platforms?: readonly string[]; readonly referrers?: boolean } = {},
): Promise<CopyReport> {
  const { to = 'somewhere', ...rest } = options
  const images = (await listSource(source)).map(({ repository, tag, digest }) => {
    const reference: Reference = tag === undefined ? { kind: 'digest', digest } : { kind: 'tag', tag }
    const tags = tag === undefined ? [] : [tag]
    return { from: { repository, reference }, to: { repository: repository ?? (to as RepositoryName), tags } }
  })
  const report = await copyImages({ source, target, images, ...rest })
  await target.close()
  return report
}
