import t from 'tap'
import { planImages } from '../../../src/mirror/sync/plan.ts'
import type { PlannedImage } from '../../../src/mirror/sync/plan.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { hashOf } from '../../helpers/digest.ts'
import { hereOf, imageOf, indexOf, meantOf, readOf } from '../../helpers/sync-facts.ts'

const one = imageOf('one', { base: 1000, one: 1 })
const two = imageOf('two', { base: 1000, two: 2 })
const index = indexOf([one, { platform: 'linux/amd64' }], [two, { platform: 'linux/arm64' }])
const children = readOf(one, two)

function stepsOf(image: PlannedImage | undefined): string[] {
  return (image?.steps ?? []).map((step) => {
    if (step.act === 'blob') return `${step.how} ${step.size}`
    return step.act === 'tag' ? `tag ${step.tag}` : `manifest ${step.digest}`
  })
}

t.test('blobs that images share are fetched and counted once', async (t) => {
  const plan = planImages([meantOf('1', one), meantOf('2', two), meantOf('latest', two)], hereOf())
  t.same(
    plan.images.map(({ state, bytes }) => [state, bytes]),
    [
      ['new', 1011],
      ['new', 12],
      ['new', 0],
    ],
  )
  t.match(plan, { blobs: 5, bytes: 1023, manifestBytes: one.size + two.size })
  t.same(stepsOf(plan.images[1]), ['fetch 10', 'shared 1000', 'fetch 2', `manifest ${two.digest}`, 'tag 2'])
})

t.test('a blob that is here under any name is linked and not fetched', async (t) => {
  const { images, bytes } = planImages([meantOf('1', one)], hereOf({ blobs: ['base'] }))
  t.same(stepsOf(images[0]).slice(0, 3), ['fetch 10', 'link 1000', 'fetch 1'])
  t.equal(bytes, 11)
})

t.test('children come before their index, and the tag after everything', async (t) => {
  const signature = imageOf('signature', { sig: 5 })
  const tag = `sha256-${'a'.repeat(64)}.sig` as Tag
  const image = meantOf('1', index, { read: children, followers: [{ ...signature, tag }] })
  const steps = stepsOf(planImages([image], hereOf()).images[0]).filter((step) => /^(?:manifest|tag)/.test(step))
  t.same(steps, [
    `manifest ${one.digest}`,
    `manifest ${two.digest}`,
    `manifest ${index.digest}`,
    `manifest ${signature.digest}`,
    `tag ${tag}`,
    'tag 1',
  ])
})

t.test('an image is new, moved, incomplete, here or kept', async (t) => {
  const whole = { manifests: [one, two, index], blobs: ['base', 'one', 'two', 'one-config', 'two-config'] }
  const plan = (here: Parameters<typeof hereOf>[0], root = index) =>
    planImages([meantOf('1', root, { read: children })], hereOf(here)).images[0]
  t.match(plan({}), { state: 'new', platforms: ['linux/amd64', 'linux/arm64'] })
  t.same(stepsOf(plan(whole)), ['tag 1'], 'one that is here without its tag')
  t.match(plan({ ...whole, tags: { 'app:1': index } }), { state: 'here', steps: [] })
  t.match(plan({ ...whole, tags: { '!app:1': index } }), { state: 'here', steps: [] })
  t.match(plan({ tags: { 'app:1': one }, manifests: [one] }), { state: 'moved', before: one.digest })
  t.match(plan({ tags: { '!app:1': one } }), { state: 'kept', before: one.digest, bytes: 0, steps: [] })
  const half = plan({ tags: { 'app:1': index }, manifests: [one, index], blobs: ['base'] })
  t.match(half, { state: 'incomplete', bytes: 12 })
  t.same(stepsOf(half), ['fetch 10', 'link 1000', 'fetch 2', `manifest ${two.digest}`])
})

t.test('only what is meant of an index is fetched, and the index stays as it is', async (t) => {
  const image = meantOf('1', index, { platforms: ['linux/arm64', 'linux/s390x'], read: readOf(two) })
  const [planned] = planImages([image], hereOf()).images
  t.match(planned, { state: 'new', platforms: ['linux/arm64'], missingPlatforms: ['linux/s390x'], bytes: 1012 })
  t.same(stepsOf(planned).slice(3), [`manifest ${two.digest}`, `manifest ${index.digest}`, 'tag 1'])
})

t.test('an image by digest needs no tag, and is here when it is whole', async (t) => {
  const { tag: _tag, ...image } = meantOf('1', one)
  t.same(stepsOf(planImages([image], hereOf()).images[0]).at(-1), `manifest ${one.digest}`)
  t.match(planImages([image], hereOf({ manifests: [one] })).images, [{ state: 'here', steps: [] }])
})

t.test('one that cannot be had is told with its reason and costs the others nothing', async (t) => {
  const unread = meantOf('1', index, { read: readOf(one) })
  const nothing = meantOf('2', index, { platforms: ['linux/s390x'], read: children })
  const gone = { ...meantOf('3', one), why: 'up.example does not have it' }
  const plan = planImages([unread, nothing, gone, meantOf('4', one)], hereOf())
  t.match(plan.images, [
    { state: 'failed', why: `its part ${two.digest} could not be read` },
    { state: 'failed', why: 'it has none of the platforms linux/s390x' },
    { state: 'failed', why: 'up.example does not have it', from: 'up.example/app:3' },
    { state: 'new', bytes: 1011 },
  ])
  t.equal(plan.bytes, 1011)
})

t.test('a signature that somebody pushed here keeps its tag', async (t) => {
  const [ours, theirs] = [imageOf('ours', { x: 1 }), imageOf('theirs', { y: 1 })]
  const tag = `${hashOf('x').replace(':', '-')}.sig` as Tag
  const image = meantOf('1', one, { followers: [{ ...ours, tag }] })
  const here = hereOf({ tags: { [`!app:${tag}`]: theirs } })
  t.same(
    planImages([image], here).images[0]?.steps.filter(({ act }) => act === 'tag'),
    [{ act: 'tag', tag: '1', digest: one.digest }],
  )
})
