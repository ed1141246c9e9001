import t from 'tap'
import type { ImageSource } from '../../src/exchange/image-source.ts'
import { rememberingSource } from '../../src/exchange/remembering-source.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'

const NAME = parseRepositoryName('team/app')

function makeSource(bytes = Buffer.from('{}')) {
  const asked: string[] = []
  let fails = false
  const source: ImageSource = {
    name: 'a registry',
    async *images() {},
    async readManifest(_repository, reference) {
      asked.push(reference.kind === 'tag' ? reference.tag : reference.digest)
      if (fails) throw new Error('no answer')
      return reference.kind === 'tag' ? undefined : { bytes, digest: reference.digest, mediaType: 'x' }
    },
    openBlob: async () => {
      throw new Error('there are no blobs')
    },
    async listReferrers() {
      asked.push('referrers')
      return []
    },
    close: async () => undefined,
  }
  return { source, asked, fail: (now: boolean) => (fails = now) }
}

t.test('a manifest, a tag that is not there and what refers to one are asked for once', async (t) => {
  const { source, asked } = makeSource()
  const remembering = rememberingSource(source)
  const digest = digestOf(Buffer.from('{}'))
  for (let times = 0; times < 2; times += 1) {
    t.match(await remembering.readManifest(NAME, { kind: 'digest', digest }), { digest })
    t.equal(await remembering.readManifest(NAME, { kind: 'tag', tag: parseTag('v1') }), undefined)
    t.same(await remembering.listReferrers(NAME, digest), [])
  }
  t.same(asked, [digest, 'v1', 'referrers'])
})

t.test('what failed is asked for again', async (t) => {
  const { source, asked, fail } = makeSource()
  const remembering = rememberingSource(source)
  const reference = { kind: 'digest', digest: digestOf(Buffer.from('{}')) } as const
  fail(true)
  await t.rejects(remembering.readManifest(NAME, reference), { message: 'no answer' })
  fail(false)
  t.ok(await remembering.readManifest(NAME, reference))
  t.equal(asked.length, 2)
})

t.test('no more than some memory is taken', async (t) => {
  const { source, asked } = makeSource(Buffer.alloc(20 * 1024 * 1024))
  const remembering = rememberingSource(source)
  const digests = ['a', 'b', 'a', 'b'].map((text) => digestOf(Buffer.from(text)))
  for (const digest of digests) await remembering.readManifest(NAME, { kind: 'digest', digest })
  t.same(asked, [digests[0], digests[1], digests[1]])
})
