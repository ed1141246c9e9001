// The images that failed in an earlier run, to try only those again. Pure.
import { formatImageSource, parseImageSource } from '../../config/image-source.ts'
import type { SyncEntry } from '../../config/sync-file.ts'
import type { FoundImages } from './find-images.ts'
import type { KeptReport } from './report.ts'

/**
 * As `from` has them: images, and repositories or registries that could not be listed. Of a run that ended before it knew
 * its images, or that was cut off, all that the entries mean.
 */
export function failedIn(
  { images, outcome }: Pick<KeptReport, 'images' | 'outcome'>,
  entries: readonly Pick<SyncEntry, 'source'>[],
): ReadonlySet<string> {
  if (images.length === 0 && outcome !== 'done' && outcome !== 'partly')
    return new Set(entries.map(({ source }) => formatImageSource(source)))
  return new Set(images.filter(({ result }) => result === 'failed').map(({ from }) => from))
}

/**
 * What of `found` is in `only`, by itself or with all of its repository; all of it without `only`. Of what could not be
 * listed also that in which something of `only` lies: what failed before is not forgotten.
 */
export function skipUnlessFailed(found: FoundImages, only: ReadonlySet<string> | undefined): FoundImages {
  if (only === undefined) return found
  const isMeant = ({ from }: { readonly from: string }): boolean => {
    const source = parseImageSource(from)
    return (
      only.has(from) ||
      (source !== undefined && (only.has(`${source.host}/${source.repository}`) || only.has(source.host)))
    )
  }
  const holdsMeant = ({ from }: { readonly from: string }): boolean =>
    [...only].some((each) => each.startsWith(from) && '/:@'.includes(each.charAt(from.length) || '?'))
  return {
    ...found,
    asks: found.asks.filter(({ image }) => isMeant(image)),
    unread: found.unread.filter((each) => isMeant(each) || holdsMeant(each)),
  }
}
