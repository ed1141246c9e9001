// Tarn writes, the directory is carried by tar, the real registry serves it, checks it with its own collector and
// adds to it; then Tarn serves it again.
import { readFile } from 'node:fs/promises'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { collectDry, compareCollections, expectCollection } from './collect.ts'
import type { Writer } from './content.ts'
import {
  NESTED,
  pushAndDelete,
  pushCommon,
  pushImage,
  pushIndexOnly,
  pushRetag,
  pushSha512,
  pushSha512Manifest,
  pushSigned,
} from './content.ts'
import { carry, checkLinks, checkModes, checkNothingStrange, checkRepositories } from './directory.ts'
import type { Ledger } from './ledger.ts'
import { copyLedger, deleteManifest } from './ledger.ts'
import type { Peer } from './peers.ts'
import { startTarn, using } from './peers.ts'
import { checkCatalog, checkServed } from './reader.ts'

export interface Written {
  /** A directory that nobody serves. */
  readonly data: string
  readonly ledger: Ledger
  /** What was deleted; its bytes are still there. */
  readonly deleted: readonly string[]
}

/** Case by case, the repositories that show it. */
export const CASES: Readonly<Record<string, readonly string[]>> = {
  'schema 2, OCI, no media type inside': ['solo'],
  'multi-arch list and index': ['team/multi'],
  'nested repository names': NESTED,
  'empty blob': ['empty/blob'],
  'large blob': ['large'],
  'sha512 blob': ['sum/sha512'],
  'index-only repository': ['empty/index'],
  'moved tag': ['team/retag'],
  'artifact with subject': ['team/signed'],
}

/** Fills a new directory by Tarn and checks the files that it made. */
export async function writeByTarn(context: E2EContext, recorder: Recorder): Promise<Written> {
  const tarn = await startTarn(context)
  const ledger: Ledger = new Map()
  await using(tarn, async (client) => {
    const writer: Writer = { client, ledger }
    await pushCommon(writer)
    await pushSha512(writer)
    await pushSha512Manifest(writer)
    await pushIndexOnly(writer)
    await pushRetag(writer)
    await pushSigned(writer)
  })
  const { data } = tarn
  await recorder.check('Tarn: every link is a digest without newline, and its blob is here', () => checkLinks(data))
  await recorder.check('Tarn: every repository has _layers and _manifests', () =>
    checkRepositories(data, ledger.keys()),
  )
  await recorder.check('Tarn: no plain file begins with _, no socket, no stranger', () => checkNothingStrange(data))
  await recorder.check('Tarn: modes as distribution', () => checkModes(data, process.umask()))
  return { data, ledger, deleted: [] }
}

/** All that the peer must give back from what Tarn wrote, after a tar round trip. */
export async function readByPeer(context: E2EContext, recorder: Recorder, written: Written, peer: Peer): Promise<void> {
  const data = await carry(context.machine, written.data)
  const { ledger } = written
  const way = `Tarn -> tar -> ${peer.label}`
  const registry = await peer.start(data)
  await using(registry, async (client) => {
    await recorder.check(`${way}: catalog`, () => checkCatalog(client, ledger, peer.reading))
    for (const [name, repositories] of Object.entries({
      ...CASES,
      'sha512 manifest': ['sum/manifest'],
    })) {
      await recorder.check(`${way}: ${name}`, () => checkServed(client, ledger, repositories, peer.reading))
    }
    await recorder.check(`${way}: skopeo copies the whole list by tag`, async () => {
      const source = `docker://${registry.address}/team/multi:list`
      const copy = await context.machine.scratch('skopeo')
      await context.machine.run('skopeo', ['copy', '-q', '--all', '--src-tls-verify=false', source, `dir:${copy}`])
      const top = ledger.get('team/multi')?.manifests.get(ledger.get('team/multi')?.tags.get('list') ?? '')
      if (top?.bytes.equals(await readFile(`${copy}/manifest.json`)) !== true)
        throw new Error('it wrote other bytes than were pushed')
    })
  })
  await recorder.check(`${way}: garbage-collect --dry-run finds nothing to delete`, async () => {
    const found = await collectDry(context.machine, peer.binary, registry.configFile, false)
    if (!/ 0 blobs and 0 manifests eligible/.test(found.summary)) throw new Error(found.summary)
    compareCollections(found, expectCollection(ledger, { untagged: false, keepsChildren: true }))
  })
  await recorder.check(`${way}: garbage-collect -m --dry-run names what has no tag and nothing else`, async () => {
    const found = await collectDry(context.machine, peer.binary, registry.configFile, true)
    compareCollections(found, expectCollection(ledger, { untagged: true, keepsChildren: peer.keepsChildren }))
  })
  await handOver(context, recorder, { data, ledger: copyLedger(ledger), deleted: [] }, peer)
}

/** The peer adds, moves and deletes where Tarn wrote; Tarn goes on there; the collector still agrees. */
async function handOver(context: E2EContext, recorder: Recorder, written: Written, peer: Peer): Promise<void> {
  const { data, ledger } = written
  const way = `Tarn -> ${peer.label} -> Tarn, one directory`
  const deleted: string[] = []
  await using(await peer.start(data), async (client) => {
    const writer = { client, ledger }
    await pushImage(writer, 'solo', 'moved by the peer', { tag: 'oci' })
    await pushImage(writer, 'new/here', 'new by the peer', { docker: true, tag: 'v1' })
    const bare = ledger.get('solo')?.tags.get('bare') ?? ''
    await deleteManifest(client, ledger, 'solo', bare)
    deleted.push(bare)
  })
  const tarn = await startTarn(context, data)
  await using(tarn, async (client) => {
    await recorder.check(`${way}: catalog`, () => checkCatalog(client, ledger, { ordered: true }))
    await recorder.check(`${way}: all that both wrote is served`, () =>
      checkServed(client, ledger, [...ledger.keys()], { ordered: true }),
    )
    deleted.push(...(await pushAndDelete({ client, ledger })))
    await recorder.check(`${way}: emptied repository has no tags and is listed`, async () => {
      await checkServed(client, ledger, ['emptied'], { ordered: true })
      await checkCatalog(client, ledger, { ordered: true })
    })
    await recorder.check(`${way}: deleted image is gone, its neighbour is served`, () =>
      checkServed(client, ledger, ['thinned'], { ordered: true }),
    )
  })
  const again = await peer.start(data)
  await using(again, async (client) => {
    await recorder.check(`${way}, and back: deletions of Tarn hold`, () =>
      checkServed(client, ledger, ['emptied', 'thinned', 'solo'], peer.reading),
    )
  })
  await recorder.check(`${way}, and back: garbage-collect --dry-run takes the deleted and nothing else`, async () => {
    const found = await collectDry(context.machine, peer.binary, again.configFile, false)
    compareCollections(found, expectCollection(ledger, { untagged: false, keepsChildren: true, deleted }))
  })
  await recorder.check(`${way}, and back: every link still has its blob`, () => checkLinks(data))
}
