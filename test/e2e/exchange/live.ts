// The handbook's tar unpacked under a Tarn that serves: with everything in it that the other side's Tarn left,
// taken from a live directory, its lock too. Only one process may write afterwards, as before.
import { join } from 'node:path'
import { openClient } from '../../helpers/client.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Ledger } from './ledger.ts'
import { expectStatus } from './ledger.ts'
import { pushImage } from './content.ts'
import { startTarn, using } from './peers.ts'
import { checkServed } from './reader.ts'

const ORDERED = { ordered: true }

export async function exchangeLive(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const archive = join(await machine.scratch('live'), 'registry.tar.gz')
  const theirs: Ledger = new Map()
  const source = await startTarn(context)
  await using(source, async (client) => {
    await pushImage({ client, ledger: theirs }, 'solo', 'theirs', { tag: 'theirs' })
    await machine.run('tar', ['-zcf', archive, '-C', source.data, '.'])
  })

  const ours: Ledger = new Map()
  const keeper = await startTarn(context)
  await using(keeper, async (client) => {
    await pushImage({ client, ledger: ours }, 'solo', 'ours', { tag: 'ours' })
    await machine.run('tar', ['-zxf', archive, '-C', keeper.data])
    await recorder.check('tar of a live Tarn unpacked under a running one: served at once', async () => {
      const both = new Map(ours)
      const [mine, other] = [ours.get('solo'), theirs.get('solo')]
      if (mine === undefined || other === undefined) throw new Error('solo was not written')
      both.set('solo', {
        tags: new Map([...mine.tags, ...other.tags]),
        manifests: new Map([...mine.manifests, ...other.manifests]),
        blobs: new Map([...mine.blobs, ...other.blobs]),
      })
      await checkServed(client, both, ['solo'], ORDERED)
    })
    await recorder.check(
      'the lock that such a tar brings along frees nothing: one writer, the second reads',
      async () => {
        const second = await startTarn(context, keeper.data)
        const reader = openClient({ url: second.url })
        try {
          const refused = await reader.send('POST', '/v2/solo/blobs/uploads/')
          const taken = await client.send('POST', '/v2/solo/blobs/uploads/')
          expectStatus(taken, 'POST at the keeper', 202)
          expectStatus(refused, 'POST at the second Tarn on the same directory', 405)
        } finally {
          reader.close()
          await second.stop()
        }
      },
    )
  })
}
