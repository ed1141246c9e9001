// The real registry writes, the directory is carried by tar, Tarn serves it and adds to it; then the real
// registry serves it again. And uploads that one begins and the other ends.
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { pushAndDelete, pushCommon, pushImage, pushIndexOnly, pushRetag, pushSha512, pushSigned } from './content.ts'
import { carry, checkLinks } from './directory.ts'
import type { Ledger } from './ledger.ts'
import { makeBytes } from './ledger.ts'
import type { Peer } from './peers.ts'
import { SECRET, startTarn, using } from './peers.ts'
import { checkCatalog, checkServed } from './reader.ts'
import { CASES } from './tarn-writes.ts'
import type { Begun } from './uploads.ts'
import { beginUpload, checkStartedAt, finishUpload, makeState, readUpload } from './uploads.ts'

const ORDERED = { ordered: true }

/** All cases written by the peer and read by Tarn, and one upload each way. */
export async function exchangeFromPeer(context: E2EContext, recorder: Recorder, peer: Peer): Promise<void> {
  const way = `${peer.label} -> tar -> Tarn`
  const ledger: Ledger = new Map()
  const begun: Begun[] = []
  const half = makeBytes('interrupted', 90_000)
  const source = await peer.start()
  await using(source, async (client) => {
    const writer = { client, ledger }
    await pushCommon(writer)
    await pushSha512(writer)
    await pushIndexOnly(writer)
    await pushRetag(writer)
    await pushSigned(writer)
    await pushAndDelete(writer)
    begun.push(await beginUpload(client, 'solo', half.subarray(0, 50_000)))
  })
  // The whole directory, as the handbook says it; nothing is left out here.
  const data = await carry(context.machine, source.data, { whole: true })
  await using(await startTarn(context, data), async (client) => {
    await recorder.check(`${way}: catalog in byte order, index-only repository included`, () =>
      checkCatalog(client, ledger, ORDERED),
    )
    for (const [name, repositories] of Object.entries({
      ...CASES,
      'emptied and thinned repositories': ['emptied', 'thinned'],
    })) {
      await recorder.check(`${way}: ${name}`, () => checkServed(client, ledger, repositories, ORDERED))
    }
    for (const upload of begun) {
      await recorder.check(`${way}: interrupted upload with hash states is finished by Tarn`, async () => {
        const { names } = await readUpload(data, upload)
        if (!names.includes('hashstates')) throw new Error(`no hash states in ${names.join(', ')}`)
        await finishUpload(client, ledger, upload, half)
      })
    }
    await pushImage({ client, ledger }, 'solo', 'added by Tarn', { tag: 'added' })
    await pushImage({ client, ledger }, 'team/retag', 'moved by Tarn', { tag: 'latest' })
  })
  await finishByPeer(context, recorder, peer, data, ledger)
}

/** Tarn begins an upload in the same directory, the peer ends it and serves all that both wrote. */
async function finishByPeer(
  context: E2EContext,
  recorder: Recorder,
  peer: Peer,
  data: string,
  ledger: Ledger,
): Promise<void> {
  const whole = makeBytes('interrupted at Tarn', 70_000)
  const upload = await using(await startTarn(context, data), (client) =>
    beginUpload(client, 'solo', whole.subarray(0, 30_000)),
  )
  const files = await readUpload(data, upload)
  await recorder.check(
    `Tarn: an upload's startedat has 20 bytes, its data what Range says (${peer.label})`,
    async () => {
      checkStartedAt(files)
      if (files.size !== upload.received) throw new Error(`data has ${files.size} bytes instead of ${upload.received}`)
    },
  )
  const way = `${peer.label} -> Tarn -> ${peer.label}`
  await using(await peer.start(data), async (client) => {
    await recorder.check(`${way}: upload begun by Tarn is finished by ${peer.label}`, () =>
      finishUpload(client, ledger, upload, whole, makeState(SECRET, upload, files.startedAt)),
    )
    // What has no `_layers` is nothing to 2.8.2, but every manifest in it is served.
    await recorder.check(`${way}: all that both wrote is served`, () =>
      checkServed(client, ledger, [...ledger.keys()], peer.reading),
    )
  })
  await recorder.check(`${way}: every link has its blob`, () => checkLinks(data))
}
