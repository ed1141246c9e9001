// A directory that crashes and people have left marks in: torn links, hollow tags, strange files, leftovers of
// writing, a blob cut short. Tarn serves all the rest and is healed by the next push.
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../../helpers/client.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { V2, carry, checkLinks, tagLink } from './directory.ts'
import type { Ledger } from './ledger.ts'
import { copyLedger, expectStatus, makeBytes, pushBlob, pushManifest, TYPES, digestOf } from './ledger.ts'
import type { Peer } from './peers.ts'
import { startTarn, using } from './peers.ts'
import { checkCatalog, checkServed } from './reader.ts'
import type { Written } from './tarn-writes.ts'

const ORDERED = { ordered: true }
const LEFTOVER = 'link.7c9e6679-7425-40de-944b-e07fc1f90ae7.tmp'

/** Spoils a copy of what Tarn wrote and shows what is left of it. */
export async function exchangeSpoiled(
  context: E2EContext,
  recorder: Recorder,
  written: Written,
  peer: Peer,
): Promise<void> {
  const data = await carry(context.machine, written.data)
  const ledger = copyLedger(written.ledger)
  const torn = ledger.get('solo')
  const lost = torn?.tags.get('oci')
  const held = lost === undefined ? undefined : torn?.manifests.get(lost)
  if (torn === undefined || held === undefined) throw new Error('solo:oci was not written')
  await layStrangers(data, ledger)
  await truncate(tagLink(data, 'solo', 'oci'), 0)
  torn.tags.delete('oci')

  await using(await peer.start(data), async (client) => {
    const { status } = await client.send('GET', '/v2/solo/manifests/oci', {
      headers: { accept: TYPES.ociImage },
    })
    context.progress(`note: ${peer.label} answers ${status} to a tag whose link is empty`)
  })
  const [layer, path] = findLarge(ledger, data)
  await truncate(path, 1_000_000)
  await using(await startTarn(context, data), async (client) => {
    await recorder.check('zero-byte link: 404 MANIFEST_UNKNOWN for that tag', async () => {
      const answer = expectStatus(await client.send('GET', '/v2/solo/manifests/oci'), 'GET solo:oci', 404)
      if (codeOf(answer) !== 'MANIFEST_UNKNOWN') throw new Error(`code ${codeOf(answer)}`)
    })
    const whole = [...ledger.keys()].filter((name) => name !== 'large')
    await recorder.check(
      'zero-byte link, hollow tag, strange files, leftover link.<uuid>.tmp: all else is served',
      async () => {
        await checkCatalog(client, ledger, ORDERED)
        await checkServed(client, ledger, whole, ORDERED)
      },
    )
    await recorder.check('zero-byte link: the next push of the tag heals it', async () => {
      await pushManifest(client, ledger, 'solo', held, { tag: 'oci' })
      await checkServed(client, ledger, ['solo'], ORDERED)
    })
    await recorder.check('blob cut short: never served as whole', async () => {
      const answer = await client.send('GET', `/v2/large/blobs/${layer}`).catch(() => undefined)
      if (answer?.status === 200) throw new Error(`status 200 with ${answer.body.length} bytes`)
    })
    await recorder.check('blob cut short: the next push replaces it', async () => {
      await pushBlob(client, ledger, 'large', makeBytes('large', 3 << 20))
      await checkServed(client, ledger, ['large'], ORDERED)
    })
  })
  await recorder.check(`healed directory: every link has its blob, and ${peer.label} serves it`, async () => {
    await checkLinks(data)
    await using(await peer.start(data), (client) => checkServed(client, ledger, ['large'], peer.reading))
  })
}

async function layStrangers(data: string, ledger: Ledger): Promise<void> {
  const repositories = join(data, V2, 'repositories')
  const tags = join(repositories, 'solo/_manifests/tags')
  const [digest = ''] = ledger.get('solo')?.blobs.keys() ?? []
  const hex = digest.slice('sha256:'.length)
  const manifest = (ledger.get('solo')?.tags.get('1') ?? '').slice('sha256:'.length)
  const files = [
    join(data, '.DS_Store'),
    join(data, V2, 'notes.txt'),
    join(repositories, 'README.txt'),
    join(repositories, 'solo', 'lost+found.txt'),
    join(data, V2, 'blobs/sha256', hex.slice(0, 2), hex, 'sidecar.json'),
    join(dirname(tagLink(data, 'solo', '1')), LEFTOVER),
    join(repositories, 'solo/_manifests/revisions/sha256', manifest, LEFTOVER),
    join(repositories, 'solo/_layers/sha256', hex, LEFTOVER),
  ]
  for (const file of files) await writeFile(file, 'sha256:')
  await mkdir(join(tags, 'hollow'))
  await mkdir(join(repositories, 'lost+found'))
}

function findLarge(ledger: Ledger, data: string): [digest: string, path: string] {
  const digest = digestOf(makeBytes('large', 3 << 20))
  if (ledger.get('large')?.blobs.has(digest) !== true) throw new Error('the large blob was not written')
  const hex = digest.slice('sha256:'.length)
  return [digest, join(data, V2, 'blobs/sha256', hex.slice(0, 2), hex, 'data')]
}
