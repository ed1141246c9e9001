// The images that failed in an earlier run, to try only those again. Pure.
import { parseImageSource } from '../../config/image-source.ts'
import type { FoundImages } from './find-images.ts'
import type { SyncReport } from './report.ts'

/** As `from` has them: images, and repositories or registries that could not be listed. */
export function failedIn({ images }: Pick<SyncReport, 'images'>): ReadonlySet<string> {
  return new Set(images.filter(({ result }) => result === 'failed').map(({ from }) => from))
}

/** What of `found` is in `only`, by itself or with all of its repository; all of it without `only`. */
export function skipUnlessFailed(found: FoundImages, only: ReadonlySet<string> | undefined): FoundImages {
  if (only === undefined) return found
  const isMeant = ({ from }: { readonly from: string }): boolean => {
    const source = parseImageSource(from)
    return (
      only.has(from) ||
      (source !== undefined && (only.has(`${source.host}/${source.repository}`) || only.has(source.host)))
    )
  }
  return {
    ...found,
    asks: found.asks.filter(({ image }) => isMeant(image)),
    unread: found.unread.filter(isMeant),
  }
}
