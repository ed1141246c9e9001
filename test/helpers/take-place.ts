// Takes the images of a place into a registry as `tarn import` does it.
import { copyImages } from '../../src/exchange/copy-images.ts'
import { openSource } from '../../src/exchange/open-source.ts'
import { parsePlace } from '../../src/exchange/place.ts'
import { planImport } from '../../src/exchange/plan-import.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import type { Context } from '../../src/registry/context.ts'
import { listSource } from './exchanged.ts'

/** Gives what became of each image. */
export async function takePlace(context: Context, place: string): Promise<readonly string[]> {
  const parsed = parsePlace(place)
  if (parsed === undefined) throw new Error(place)
  const { source } = await openSource(parsed)
  try {
    const wish = { only: [], to: undefined, source: place, upstreams: [] }
    const images = planImport(await listSource(source), wish)
    const report = await copyImages({ source, target: storeTarget(context, 'here'), images, foresee: true })
    return report.images.map(({ state }) => state)
  } finally {
    await source.close()
  }
}
