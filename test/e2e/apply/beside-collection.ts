// Bundles taken in while collections run one after the other beside them, with leases of a moment: nothing of it is lost.
import type { Collections } from '../collect/collections.ts'
import { collectInto, makeCollections } from '../collect/collections.ts'
import { findSocket } from '../collect/serve.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'

export interface BesideOptions {
  /** Takes in all of it, in the round with this number. */
  readonly apply: (site: Tarn, round: number) => Promise<void>
  /** Throws unless all of it is there. */
  readonly check: (site: Tarn) => Promise<void>
  /** Removes the repositories, so that the next round finds nothing but what lies in the trash. */
  readonly remove: (site: Tarn) => Promise<void>
  readonly rounds: number
}

const LEASE = '100ms'

/** Gives what the collections did. Throws what a step throws, and when no collection found anything to take. */
export async function applyBesideCollections(
  context: E2EContext,
  { apply, check, remove, rounds }: BesideOptions,
): Promise<Collections> {
  const gc = { schedule: 'off', lease: LEASE, grace: '0s' }
  const site = await context.startTarn({ config: { gc } })
  const socket = await findSocket(site.data, site.service)
  const sum = makeCollections()
  let isOver = false
  const collecting = (async () => {
    while (!isOver) await collectInto(sum, socket, { untagged: true, grace: '0s', olderThan: '0s' })
  })()
  // Told at the end.
  collecting.catch(() => undefined)
  try {
    for (let round = 0; round < rounds; round += 1) {
      await apply(site, round)
      await check(site)
      if (round + 1 < rounds) await remove(site)
    }
  } finally {
    isOver = true
  }
  await collecting
  await site.stop()
  if (sum.trashed === 0) throw new Error(`${sum.count} collections, and none of them found anything`)
  return sum
}
