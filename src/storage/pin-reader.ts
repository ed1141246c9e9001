// The pins for whoever asks again and again: read anew only when their directory or one of their files changed, which is a
// stat for each of them and no reading (I2). Only what was read without trouble is kept.
import { readdirSync, statSync } from 'node:fs'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import type { PinList } from './pins.ts'
import { readPins } from './pins.ts'
import { STILL_AFTER_MS, factsOf, statFile } from './stamp.ts'

export class PinReader {
  readonly #layout: Layout
  readonly #clock: () => number
  /** What was read, and the state in which everything was before; undefined when nothing may be kept. */
  #known: { readonly files: readonly string[]; readonly state: string; readonly list: PinList } | undefined

  /** `clock` gives milliseconds since 1970. */
  constructor(layout: Layout, clock: () => number) {
    this.#layout = layout
    this.#clock = clock
  }

  /** The pins as they are now; what cannot be read is told in the list, and looked at again at each question. */
  list(): PinList {
    const known = this.#known
    if (known !== undefined && this.#stateOf(known.files)?.state === known.state) return known.list
    // Before the reading: what changes in the middle of it differs from this the next time.
    const files = this.#listFiles()
    const before = files && this.#stateOf(files)
    const list = readPins(this.#layout)
    // What changed just now could change again and look the same.
    const isStill = before !== undefined && this.#clock() - before.changedAt >= STILL_AFTER_MS
    this.#known =
      files !== undefined && isStill && list.unreadable.length === 0 ? { files, state: before.state, list } : undefined
    return list
  }

  #listFiles(): string[] | undefined {
    try {
      return readdirSync(this.#layout.pins).filter((file) => file.endsWith('.json'))
    } catch {
      return undefined
    }
  }

  /** The states of the directory and the files together, and the last change; undefined when one of them has none. */
  #stateOf(files: readonly string[]): { state: string; changedAt: number } | undefined {
    try {
      const directory = factsOf(statSync(this.#layout.pins, { bigint: true }))
      const stamps: string[] = [directory.stamp]
      let { changedAt } = directory
      for (const file of files) {
        const facts = statFile(childOf(this.#layout.pins, file))
        if (facts === undefined) return undefined
        stamps.push(facts.stamp)
        changedAt = Math.max(changedAt, facts.changedAt)
      }
      return { state: stamps.join(' '), changedAt }
    } catch {
      return undefined
    }
  }
}
