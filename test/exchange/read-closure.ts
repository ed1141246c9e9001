import t from 'tap'
import type { Test } from 'tap'
import type { ImageToCopy } from '../../src/exchange/copied-image.ts'
import { copyImages } from '../../src/exchange/copy-images.ts'
import type { ImageSource } from '../../src/exchange/image-source.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { APP, openRegistry, push, pushBlob, pushImage } from '../helpers/images.ts'
import { imageOf, indexOf, partOf } from '../helpers/plant.ts'

const wish = (tag: string): ImageToCopy => ({
  from: { repository: APP, reference: { kind: 'tag', tag: tag as Tag } },
  to: { repository: APP, tags: [tag as Tag] },
})

function open(t: Test) {
  const directory = t.testdir({ here: {}, there: {} })
  const [here, there] = [openRegistry(`${directory}/here`), openRegistry(`${directory}/there`)]
  return { here, parts: { source: storeSource(here, 'here'), target: storeTarget(there, 'there') } }
}

const LARGE = 3_000_000
const pushLarge = async (context: Context, note: string, tag?: string): Promise<Buffer> => {
  const config = Buffer.from(JSON.stringify({ note }))
  await pushBlob(context, APP, config)
  const image = imageOf(partOf(config), [], { annotations: { note: note.padEnd(LARGE, '.') } })
  await push(context, APP, image, tag)
  return image
}

t.test('manifests of which not all can be kept in memory are read again, and every image comes', async (t) => {
  const { here, parts } = open(t)
  const tags = Array.from({ length: 8 }, (_, at) => `v${at}`)
  for (const tag of tags) await pushLarge(here, tag, tag)
  let read = 0
  const source: ImageSource = {
    ...parts.source,
    async readManifest(...ask) {
      const found = await parts.source.readManifest(...ask)
      read += found?.bytes.length ?? 0
      return found
    },
  }
  const report = await copyImages({ source, target: parts.target, images: tags.map((tag) => wish(tag)), foresee: true })
  t.match(report.counts, { copied: 8, failed: 0 })
  t.equal(Math.round(read / LARGE), 8 + 3, 'sixteen megabytes are kept: five of the eight')
})

t.test('an image whose manifests are larger together than can be true fails, and keeps no other', async (t) => {
  const { here, parts } = open(t)
  const children = [await pushLarge(here, 'a'), await pushLarge(here, 'b'), await pushLarge(here, 'c')]
  await push(here, APP, indexOf(children.map(partOf)), 'v1')
  await pushImage(here, APP, ['other'], { tag: 'v2' })
  for (const foresee of [true, false]) {
    const report = await copyImages({ ...parts, images: [wish('v1'), wish('v2')], foresee })
    t.match(report.images[0], { state: 'failed', why: 'its manifests are larger than can be true' })
    t.not(report.images[1]?.state, 'failed')
  }
})
