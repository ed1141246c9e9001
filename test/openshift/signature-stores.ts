import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { fetchSignatures } from '../../src/openshift/signature-stores.ts'
import { openFetcher } from '../../src/upstream/fetch-small.ts'
import { startReleaseSite } from '../fixtures/release-site.ts'
import { findClosedPort, send, startFake } from '../helpers/upstream.ts'

const DIGEST = digestOf(Buffer.from('a release'))

t.test('a store is asked for one signature after the other until one is not there', async (t) => {
  const site = await startReleaseSite()
  const fetcher = openFetcher({ reach: 'anywhere' })
  t.teardown(() => Promise.all([site.close(), fetcher.close()]))
  site.addSignature(DIGEST, Buffer.from('one'))
  site.addSignature(DIGEST, Buffer.from('two'))
  const { signatures, failures } = await fetchSignatures([site.store, `${site.store}/`], DIGEST, fetcher)
  t.same(
    signatures.map(({ bytes }) => bytes.toString()),
    ['one', 'two'],
    'what two stores have is there once',
  )
  t.same(failures, [])
  t.equal(site.asked.filter((path) => path.endsWith('signature-3')).length, 2)
  t.equal(site.asked[0]?.includes(`/sha256=${DIGEST.slice(7)}/signature-1`), true)
})

t.test('a store that does not answer, or answers too much, does not keep the others from being heard', async (t) => {
  const site = await startReleaseSite()
  const fetcher = openFetcher({ reach: 'anywhere', timeouts: { connect: 1000 } })
  t.teardown(() => Promise.all([site.close(), fetcher.close()]))
  site.addSignature(DIGEST, Buffer.from('one'))
  const flood = await startFake(t, (_request, response) => send(response, 200, {}, 'x'.repeat(60_000)))
  const endless = await startFake(t, (_request, response) => send(response, 200, {}, 'x'))
  const broken = await startFake(t, (_request, response) => send(response, 500))
  const closed = `http://127.0.0.1:${await findClosedPort()}`
  const stores = [site.store, flood.origin, broken.origin, closed, 'file:///etc', 'ftp://x', 'no address']
  const { signatures, failures } = await fetchSignatures(stores, DIGEST, fetcher)
  t.same(
    signatures.map(({ bytes }) => bytes.toString()),
    ['one'],
  )
  t.same(
    failures.map(({ store }) => store),
    stores.slice(1),
  )
  const { signatures: nine } = await fetchSignatures([endless.origin], DIGEST, fetcher)
  t.equal(nine.length, 1)
  t.equal(endless.seen.length, 9)
})

t.test('an address that a payload names leads to public hosts only', async (t) => {
  const site = await startReleaseSite()
  const fetcher = openFetcher({ reach: 'public' })
  t.teardown(() => Promise.all([site.close(), fetcher.close()]))
  site.addSignature(DIGEST, Buffer.from('one'))
  const stores = [
    site.store,
    site.store.replace('127.0.0.1', 'localhost'),
    'http://169.254.169.254/latest',
    'http://[::1]:80',
  ]
  const { signatures, failures } = await fetchSignatures(stores, DIGEST, fetcher)
  t.same(signatures, [])
  t.equal(failures.length, 4)
  t.match(failures[0]?.reason, /lies inside this network/)
  t.same(site.asked, [])
})
