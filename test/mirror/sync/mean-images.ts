import t from 'tap'
import type { SyncEntry } from '../../../src/config/sync-file.ts'
import { parseSyncFile } from '../../../src/config/sync-file.ts'
import { meanOne, meanRepositories, meanTags } from '../../../src/mirror/sync/mean-images.ts'
import { filterTags } from '../../../src/mirror/sync/select-tags.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import type { Tag } from '../../../src/oci/reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const APP = 'here/app' as RepositoryName

const entryOf = (text: string): SyncEntry =>
  parseSyncFile(`version: 1\nsync: [{${text}}]`, 's.yml', '/').entries[0] as SyncEntry

t.test('an image is asked for by its digest or tag and lies under the tag that is said, or its own', async (t) => {
  for (const [text, tag, reference] of [
    ['from: "up.test/app:1"', '1', { kind: 'tag', tag: '1' }],
    ['from: "up.test/app:1", tag: pinned', 'pinned', { kind: 'tag', tag: '1' }],
    [`from: "up.test/app:1@${DIGEST}"`, '1', { kind: 'digest', digest: DIGEST }],
    [`from: "up.test/app@${DIGEST}", tag: pinned`, 'pinned', { kind: 'digest', digest: DIGEST }],
    [`from: "up.test/app@${DIGEST}"`, undefined, { kind: 'digest', digest: DIGEST }],
  ] as const) {
    const [meant] = meanOne(entryOf(text), APP)?.images ?? []
    t.equal(meant?.image.tag, tag, text)
    t.same(meant?.reference, reference, text)
  }
  t.equal(meanOne(entryOf(`from: "up.test/app:1@${DIGEST}"`), APP)?.images[0]?.image.from, `up.test/app:1@${DIGEST}`)
})

t.test('a repository or a registry is no one image', async (t) => {
  t.equal(meanOne(entryOf('from: up.test/app'), APP), undefined)
  t.equal(meanOne(entryOf('from: up.test'), APP), undefined)
})

t.test('the chosen tags are images, and one that is named and not there is told', async (t) => {
  const entry = entryOf('from: up.test/app, tags: [v1, "2*"], platforms: [linux/arm64]')
  const selection = filterTags(entry.tags, ['1', '2', '2.1'] as Tag[])
  t.same(meanTags(entry, 'app' as RepositoryName, APP, selection), {
    images: ['2', '2.1'].map((tag) => ({
      image: { from: `up.test/app:${tag}`, to: APP, tag, platforms: ['linux/arm64'] },
      reference: { kind: 'tag', tag },
    })),
    absent: [
      { from: 'up.test/app:v1', to: APP, tag: 'v1', platforms: ['linux/arm64'], why: 'up.test has no such tag' },
    ],
  })
})

t.test('of a whole registry the repositories that a pattern means, or all', async (t) => {
  const listed = ['team/a', 'team/b/c', 'other'] as RepositoryName[]
  t.same(meanRepositories({ repositories: ['team/*'] }, listed), ['team/a'])
  t.same(meanRepositories({ repositories: ['team/**', 'other'] }, listed), listed)
  t.same(meanRepositories({ repositories: [] }, listed), listed)
})
