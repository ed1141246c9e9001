// A bundle of one part as a stream, for who carries it by himself: the HTTP API. What it reads is held until the stream is
// closed, however that comes about.
import { Readable } from 'node:stream'
import type { KeyObject } from 'node:crypto'
import type { Store } from '../storage/store.ts'
import type { ByteSink } from './block-writer.ts'
import { sliceDigestsOf } from './hash-slices.ts'
import { pickImages } from './pick.ts'
import type { PickOptions, Picked } from './picked.ts'
import type { Plan, PlanOptions } from './plan.ts'
import { planBundle } from './plan.ts'
import { signIndex } from './signature.ts'
import { sizeOfPart, writePart } from './write-part.ts'

export interface BundleStream {
  readonly readable: Readable
  /** Bytes that the stream gives. */
  readonly size: number
  readonly plan: Plan
  readonly skipped: Picked['skipped']
  readonly unmatched: Picked['unmatched']
}

export interface StreamOptions extends PickOptions, Omit<PlanOptions, 'partSize'> {
  /** Undefined: not signed. */
  readonly key: KeyObject | undefined
}

/**
 * Opens the stream. Throws a Problem when nothing can be carried; an error of the stream means that it was cut short,
 * which its end says to every reader. `now` is in seconds since 1970.
 */
export async function streamBundle(store: Store, options: StreamOptions, now: number): Promise<BundleStream> {
  const { picked, release } = await pickImages(store, options, now)
  try {
    const plan = await planBundle(picked, { ...options, partSize: undefined }, sliceDigestsOf(store.layout))
    const signature = options.key && signIndex(plan.indexBytes, options.key)
    const ended = new AbortController()
    const readable = makeReadable(
      (sink) => writePart(plan, { part: 1, signature, layout: store.layout, signal: ended.signal }, sink),
      () => ended.abort(),
    )
    // Also when nobody ever reads it.
    readable.once('close', release)
    const { skipped, unmatched } = picked
    return { readable, size: sizeOfPart(plan, 1, signature), plan, skipped, unmatched }
  } catch (error) {
    release()
    throw error
  }
}

function makeReadable(write: (sink: ByteSink) => Promise<void>, stop: () => void): Readable {
  let wanted = Promise.withResolvers<void>()
  let begun = false
  const readable = new Readable({
    highWaterMark: 1,
    read() {
      wanted.resolve()
      if (begun) return
      begun = true
      write(async (chunk) => {
        await wanted.promise
        wanted = Promise.withResolvers()
        // The buffer is filled anew while the reader still sends this.
        readable.push(Buffer.from(chunk))
      }).then(
        () => readable.push(null),
        (error: unknown) => readable.destroy(error as Error),
      )
    },
    destroy(error, done) {
      stop()
      // Whoever waits for the reader must see that it is gone.
      wanted.resolve()
      done(error)
    },
  })
  return readable
}
