// A source that remembers the manifests that it gave: whoever plans a copy and then carries it out asks for them once.
import type { ImageSource } from './image-source.ts'

/** Bytes of manifests that are kept; what comes after that is asked for again. */
const MOST = 32 * 1024 * 1024

/** For as long as one act takes, since tags are remembered as well. Closing it closes `source`. */
export function rememberingSource(source: ImageSource): ImageSource {
  let kept = 0
  const remember = <T>(sizeOf: (answer: T) => number): ((key: string, ask: () => Promise<T>) => Promise<T>) => {
    const known = new Map<string, Promise<T>>()
    return async (key, ask) => {
      const before = known.get(key)
      if (before !== undefined) return before
      const asking = ask()
      known.set(key, asking)
      try {
        const answer = await asking
        kept += sizeOf(answer)
        if (kept > MOST) known.delete(key)
        return answer
      } catch (error) {
        known.delete(key)
        throw error
      }
    }
  }
  const manifests = remember<Awaited<ReturnType<ImageSource['readManifest']>>>((found) => found?.bytes.length ?? 0)
  const referrers = remember<Awaited<ReturnType<ImageSource['listReferrers']>>>((found) => found.length * 512)
  return {
    name: source.name,
    ...(source.checkBlob && { checkBlob: source.checkBlob.bind(source) }),
    images: (options) => source.images(options),
    openBlob: (repository, blob, options) => source.openBlob(repository, blob, options),
    async readManifest(repository, reference, options) {
      const key = `${repository} ${reference.kind === 'tag' ? reference.tag : reference.digest}`
      const found = await manifests(key, () => source.readManifest(repository, reference, options))
      // Who learned what a tag means may go on by its digest.
      if (found !== undefined && reference.kind === 'tag')
        await manifests(`${repository} ${found.digest}`, async () => found)
      return found
    },
    listReferrers: (repository, digest, options) =>
      referrers(`${repository} ${digest}`, () => source.listReferrers(repository, digest, options)),
    close: () => source.close(),
  }
}
