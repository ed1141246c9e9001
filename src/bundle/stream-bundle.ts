// A bundle as a stream, written while it is read out of a registry that runs: one part, signed when the home has a key.
import { existsSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Context } from '../registry/context.ts'
import { readBundleKey } from './bundle-key.ts'
import { sliceDigestsOf } from './hash-slices.ts'
import { pickImages } from './pick.ts'
import type { PickOptions } from './picked.ts'
import { planBundle } from './plan.ts'
import { signIndex } from './signature.ts'
import { writePart } from './write-part.ts'

export interface StreamOptions extends PickOptions {
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly now: number
  /** The file of the key that signs it, where there is one. */
  readonly key: string
}

export interface StreamedBundle {
  readonly bytes: PassThrough
  /** What it should be called. */
  readonly name: string
}

/**
 * Begins to write; what goes wrong later breaks the stream, so that its end is missing. Throws a Problem when there is
 * nothing to carry.
 */
export async function streamBundle({ store }: Context, options: StreamOptions): Promise<StreamedBundle> {
  const { sequence, now, key } = options
  const { picked, release } = await pickImages(store, options, now / 1000)
  try {
    const facts = { known: new Map<never, never>(), buildsOn: [], sequence, created: undefined, partSize: undefined }
    const plan = await planBundle(picked, facts, sliceDigestsOf(store.layout))
    const signature = existsSync(key) ? signIndex(plan.indexBytes, readBundleKey(key)) : undefined
    const bytes = new PassThrough({ highWaterMark: 1024 * 1024 })
    const gone = new AbortController()
    bytes.once('close', () => gone.abort(new Error('the client is gone')))
    // The writer takes its buffers back. A stream that is destroyed never answers the writes that it has taken already.
    const sink = (chunk: Buffer): Promise<void> =>
      new Promise((resolve, reject) => {
        const leave = (): void => reject(gone.signal.reason as Error)
        gone.signal.addEventListener('abort', leave, { once: true })
        bytes.write(Buffer.from(chunk), (error) => {
          gone.signal.removeEventListener('abort', leave)
          if (error) reject(error)
          else resolve()
        })
      })
    writePart(plan, { part: 1, signature, layout: store.layout, signal: gone.signal }, sink)
      .then(
        () => bytes.end(),
        (error: unknown) => bytes.destroy(error as Error),
      )
      .finally(release)
      .catch(() => undefined)
    return { bytes, name: `bundle-${sequence}-${plan.index.id.slice(0, 12)}.tar` }
  } catch (error) {
    release()
    throw error
  }
}
