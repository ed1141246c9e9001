import t from 'tap'
import type { SourceImage } from '../../src/exchange/image-source.ts'
import type { ImportWish } from '../../src/exchange/plan-import.ts'
import { planImport } from '../../src/exchange/plan-import.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'

const image = (repository: string | undefined, tag: string | undefined, host?: string): SourceImage => ({
  repository: repository as RepositoryName | undefined,
  digest: digestOf(Buffer.from(`${repository}:${tag}`)),
  ...(tag !== undefined && { tag: tag as Tag }),
  ...(host !== undefined && { host }),
})
const plan = (images: readonly SourceImage[], wish: Partial<ImportWish> = {}): readonly string[] =>
  planImport(images, { only: [], to: undefined, source: 'x.tar', upstreams: [], ...wish }).map(
    ({ to }) => `${to.repository}:${to.tags.join(',')}`,
  )

t.test(
  'without a destination the source’s names hold, with the path of the mirror where people mirror from',
  async (t) => {
    const images = [
      image('library/a', '1', 'docker.io'),
      image('b', '2', 'localhost'),
      image('c', '3', 'old.example:5000'),
      image('d', undefined),
    ]
    t.same(plan(images), ['docker.io/library/a:1', 'b:2', 'c:3', 'd:'])
    const upstreams = [
      { host: 'docker.io', path: '' },
      { host: 'old.example:5000', path: 'old' },
    ]
    t.same(plan(images, { upstreams }), ['library/a:1', 'b:2', 'old/c:3', 'd:'])
  },
)

t.test('a destination is a repository, one image, or what everything goes below', async (t) => {
  const one = [image('a', '1', 'docker.io'), image('a', '2', 'docker.io')]
  t.same(plan(one, { to: 'team/new' }), ['team/new:1', 'team/new:2'])
  t.same(plan(one, { to: 'team/', only: ['a:2'] }), ['team/a:2'])
  t.same(plan([image(undefined, '1')], { to: 'team/new:v9' }), ['team/new:v9'])
  t.throws(() => plan(one, { to: 'team/new:v9' }), { message: /has 2 images/, exitCode: 2 })
  t.throws(() => plan([...one, image('b', '1')], { to: 'team/new' }), {
    message: /has 2 repositories/,
    hint: /team\/new\//,
  })
  t.throws(() => plan([image(undefined, '1')]), { message: /does not say the repository/, exitCode: 2 })
})

t.test('globs choose by repository, by name and tag, by tag alone', async (t) => {
  const images = [
    image('openshift/release', '4.18.3-etcd'),
    image('openshift/release', '4.19.0'),
    image('team/app', '4.18.3'),
  ]
  t.same(plan(images, { only: ['openshift/release:4.18*'] }), ['openshift/release:4.18.3-etcd'])
  t.same(plan(images, { only: ['team/*'] }), ['team/app:4.18.3'])
  t.same(plan(images, { only: ['4.18*'] }), ['openshift/release:4.18.3-etcd', 'team/app:4.18.3'])
  t.throws(() => plan(images, { only: ['x'] }), { message: /has no image that x means/, hint: /4\.18\.3-etcd/ })
})
