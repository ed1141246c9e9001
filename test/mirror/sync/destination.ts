import t from 'tap'
import { parseImageSource } from '../../../src/config/image-source.ts'
import type { ImageSource } from '../../../src/config/image-source.ts'
import { destinationOf, mayBringTo } from '../../../src/mirror/sync/destination.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'

const UPSTREAMS = [
  { host: 'docker.io', path: 'hub' },
  { host: 'quay.io', path: '' },
  { host: 'quay.io', path: 'mirrors/quay' },
]

function place(from: string, repository: string, to?: string): string | undefined {
  const source = parseImageSource(from) as ImageSource
  const entry = { source, ...(to !== undefined && { to: to as RepositoryName }) }
  return destinationOf(entry, repository as RepositoryName, UPSTREAMS)
}

t.test('without a place an image lands where a pull through the mirror finds it', async (t) => {
  t.equal(place('docker.io/alpine', 'library/alpine'), 'hub/library/alpine')
  t.equal(place('quay.io/org/app', 'org/app'), 'mirrors/quay/org/app', 'the upstream that clients mean')
  t.equal(place('registry.corp:5000/app', 'app'), 'registry.corp_5000/app', 'one that is not configured')
})

t.test('a place is the repository, or of a whole registry what its repositories lie below', async (t) => {
  t.equal(place('docker.io/alpine', 'library/alpine', 'base/alpine'), 'base/alpine')
  t.equal(place('registry.corp:5000', 'team/app', 'corp'), 'corp/team/app')
  t.equal(place('registry.corp:5000', 'team/app'), 'registry.corp_5000/team/app')
})

t.test('a name that could be none is no place', async (t) => {
  t.equal(place('[::1]:5000/app', 'app'), undefined)
  t.equal(place('registry.corp:5000', 'a'.repeat(250), 'corp/x'), undefined)
})

t.test('an entry may bring images to its place, and of a whole registry to all below it', async (t) => {
  const may = (from: string, to: string, place?: string): boolean => {
    const entry = { source: parseImageSource(from) as ImageSource, ...(place && { to: place as RepositoryName }) }
    return mayBringTo(entry, to as RepositoryName, UPSTREAMS)
  }
  t.ok(may('docker.io/alpine', 'hub/library/alpine'))
  t.notOk(may('docker.io/alpine', 'docker.io/library/alpine'))
  t.ok(may('docker.io', 'hub/library/alpine'))
  t.ok(may('docker.io/alpine', 'lab/alpine', 'lab/alpine'))
  t.ok(may('docker.io', 'lab/library/alpine', 'lab'))
  t.notOk(may('docker.io', 'laboratory/alpine', 'lab'))
})
