// The child of a list that an old client gets.
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import type { Manifest } from '../../src/oci/manifest.ts'
import { DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST } from '../../src/oci/media-type.ts'
import { chooseLinuxAmd64 } from '../../src/oci/platform.ts'

const ONE = digestOf(Buffer.from('1'))
const TWO = digestOf(Buffer.from('2'))

function makeList(...children: readonly (readonly [digest: string, platform: unknown])[]): Manifest {
  const manifests = children.map(([digest, platform]) => ({
    mediaType: DOCKER_MANIFEST,
    digest,
    size: 1,
    platform,
  }))
  const text = JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_LIST, manifests })
  return parseManifest(new TextEncoder().encode(text), DOCKER_LIST)
}

t.test('the first child for linux/amd64 is chosen', async (t) => {
  const list = makeList(
    [TWO, { architecture: 'arm64', os: 'linux' }],
    [TWO, { architecture: 'amd64', os: 'windows' }],
    [TWO, undefined],
    [TWO, { architecture: 'unknown', os: 'unknown' }],
    [ONE, { architecture: 'amd64', os: 'linux' }],
    [TWO, { architecture: 'amd64', os: 'linux', variant: 'v3' }],
  )
  t.equal(chooseLinuxAmd64(list)?.digest, ONE)
})

t.test('a list without such a child gives none', async (t) => {
  t.equal(chooseLinuxAmd64(makeList()), undefined)
  t.equal(chooseLinuxAmd64(makeList([ONE, { architecture: 'AMD64', os: 'linux' }], [ONE, {}])), undefined)
})

t.test('an image gives none', async (t) => {
  const config = {
    mediaType: DOCKER_CONFIG,
    digest: ONE,
    size: 1,
    platform: { architecture: 'amd64', os: 'linux' },
  }
  const text = JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers: [config] })
  t.equal(chooseLinuxAmd64(parseManifest(new TextEncoder().encode(text), DOCKER_MANIFEST)), undefined)
})
