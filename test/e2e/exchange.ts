// The data directory changes hands between Tarn and the real registry:2 (Debian's docker-registry 2.8.2) and, with
// Go, registry:3, both ways and by tar: every case at the end of docs/formats/data-dir.md as a row. The programs
// never run on one directory at the same time: that is not what the format promises.
import { exchangeLive } from './exchange/live.ts'
import { exchangeFromPeer } from './exchange/peer-writes.ts'
import { makePeer } from './exchange/peers.ts'
import { exchangeSpoiled } from './exchange/spoiled.ts'
import { readByPeer, writeByTarn } from './exchange/tarn-writes.ts'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'

export const name = 'exchange'

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const second = makePeer(context, 'registry:2', 'docker-registry')
  const written = await writeByTarn(context, recorder)
  await readByPeer(context, recorder, written, second)
  await exchangeFromPeer(context, recorder, second)
  await exchangeSpoiled(context, recorder, written, second)
  await exchangeLive(context, recorder)

  const binary = await context.goTool('registry')
  if (binary === undefined) {
    recorder.skip('registry:3', 'Go is not here, so distribution 3 cannot be built')
    return recorder.rows
  }
  const third = makePeer(context, 'registry:3', binary)
  await readByPeer(context, recorder, written, third)
  await exchangeFromPeer(context, recorder, third)
  return recorder.rows
}
