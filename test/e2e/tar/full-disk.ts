// Full and read-only disks: a clear error in the specification's form, nothing half written, nothing lost, reads and
// deletions go on, and the next write after space returns works without a restart.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Client, Reply } from '../durability/client.ts'
import { connectTo, describeReply } from '../durability/client.ts'
import { demand } from '../durability/desks.ts'
import { Ledger } from '../durability/ledger.ts'
import {
  TYPES,
  deleteManifest,
  describe,
  emptyIndex,
  imageManifest,
  pushBlob,
  putManifest,
} from '../durability/push.ts'
import { makeRandom } from '../durability/random.ts'
import { scrub } from '../durability/scrub.ts'
import type { Served } from '../durability/serve.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { codeOf } from './keepers.ts'
import type { Shortage, SmallDisk } from './small-disks.ts'
import { makeSmallDisk } from './small-disks.ts'
import { keepBlob, keepImage } from './stock.ts'

const REPOSITORY = 'full/app'
const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
const MEBIBYTE = 1024 * 1024

interface Field {
  readonly disk: SmallDisk
  readonly data: string
  readonly served: Served
  readonly client: Client
  readonly ledger: Ledger
}

/** Adds a row for each shortage and for a disk that is or becomes read-only. */
export async function checkFullDisk(context: E2EContext, recorder: Recorder): Promise<void> {
  const shortages: Shortage[] = ['bytes of a tmpfs', 'inodes of a tmpfs', 'bytes of an ext4']
  for (const shortage of shortages) {
    const row = `out of ${shortage}: clear errors, nothing lost, and the next write after space returns works`
    const disk = await tryDisk(context, shortage)
    if (typeof disk === 'string') recorder.skip(row, disk)
    else await recorder.check(row, () => fillAndRecover(context, disk, shortage))
  }
  const disk = await tryDisk(context, 'bytes of an ext4')
  const row =
    'a disk that becomes read-only: reads go on, writes fail clearly; a server started on it says what is wrong'
  if (typeof disk === 'string') recorder.skip(row, disk)
  else await recorder.check(row, () => becomeReadOnly(context, disk))
}

/** The disk, or why there is none. */
async function tryDisk(context: E2EContext, shortage: Shortage): Promise<SmallDisk | string> {
  if (process.getuid?.() !== 0) return 'needs root for mounts'
  try {
    return await makeSmallDisk(context, shortage)
  } catch (error) {
    return `no such mount here: ${(error as Error).message}`
  }
}

async function openField(context: E2EContext, disk: SmallDisk): Promise<Field> {
  const configFile = await writeConfig(context, join(disk.mountPoint, 'data'))
  const served = await serve(context, configFile, { prefix: disk.prefix })
  const client = connectTo(served.origin)
  const ledger = new Ledger()
  await keepBlob(client, ledger, REPOSITORY, CONFIG)
  await keepImage(client, ledger, REPOSITORY, imageManifest(describe(TYPES.config, CONFIG), [], 'before'))
  const kept = [{ name: `tag ${REPOSITORY} old` as const, state: ledger.stateOf(`tag ${REPOSITORY} latest`) }]
  await ledger.attempt(kept, 201, () =>
    putManifest(client, REPOSITORY, 'old', imageManifest(describe(TYPES.config, CONFIG), [], 'before')),
  )
  return { disk, data: join(disk.view, 'data'), served, client, ledger }
}

async function fillAndRecover(context: E2EContext, disk: SmallDisk, shortage: Shortage): Promise<void> {
  const field = await openField(context, disk)
  const { client, ledger, served } = field
  const random = makeRandom(shortage)
  if (shortage !== 'inodes of a tmpfs') {
    // The disk fills in the middle of a body, which the client is still sending when the answer comes.
    disk.fill(2 * MEBIBYTE)
    const cut = await pushBlob(client, REPOSITORY, random.bytes(8 * MEBIBYTE))
    if (cut.status !== 0) expectClear(cut, 'a blob larger than the space')
    disk.clear()
  }
  disk.fill()
  expectClear(await pushBlob(client, REPOSITORY, random.bytes(300_000)), 'a blob')
  expectClear(await putManifest(client, REPOSITORY, 'new', emptyIndex('new')), 'a manifest')
  expectClear(await putManifest(client, 'full/other', 'new', emptyIndex('new')), 'a manifest in a new repository')
  await demand(served, ledger, ledger.names(), 'while the disk is full')
  const gone = [{ name: `tag ${REPOSITORY} old` as const, state: 'absent' }]
  await ledger.attempt(gone, 202, () => deleteManifest(client, REPOSITORY, 'old'))
  disk.clear()
  await keepBlob(client, ledger, REPOSITORY, random.bytes(300_000))
  await keepImage(client, ledger, REPOSITORY, imageManifest(describe(TYPES.config, CONFIG), [], 'after'))
  await demand(served, ledger, ledger.names(), 'after space returned')
  client.close()
  await served.kill('SIGTERM')
  await expectNothingHalf(field.data)
}

async function expectNothingHalf(data: string): Promise<void> {
  const { problems } = await scrub(data)
  const left = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.tmp'))
  if (problems.length + left.length > 0) throw new Error([...problems, ...left].join('; '))
}

async function becomeReadOnly(context: E2EContext, disk: SmallDisk): Promise<void> {
  const { client, ledger, served, data } = await openField(context, disk)
  // What ext4 does by itself after an error of its disk; an ordinary remount waits for all writers.
  await disk.remount('abort')
  expectClear(await pushBlob(client, REPOSITORY, Buffer.from('new')), 'a blob')
  expectClear(await putManifest(client, REPOSITORY, 'new', emptyIndex('new')), 'a manifest')
  expectClear(await deleteManifest(client, REPOSITORY, 'latest'), 'a deletion')
  await demand(served, ledger, ledger.names(), 'while the disk is read-only')
  client.close()
  await served.kill('SIGTERM')
  const again = await serve(context, await writeConfig(context, join(disk.mountPoint, 'data')), { prefix: disk.prefix })
  const toAgain = connectTo(again.origin)
  await demand(again, ledger, ledger.names(), 'started on a read-only disk')
  const refused = await pushBlob(toAgain, REPOSITORY, Buffer.from('new'))
  if (refused.status !== 405 || codeOf(refused) !== 'UNSUPPORTED') throw new Error(`a push: ${describeReply(refused)}`)
  // Standard output and error are two pipes: what says so may arrive after the address.
  await again.service.waitFor(/read-only/i)
  toAgain.close()
  await again.kill('SIGTERM')
  await expectNothingHalf(data)
}

/** An error of the server's or the disk's side, in the specification's form, without a path in it. */
function expectClear(reply: Reply, what: string): void {
  const code = codeOf(reply)
  const isClear = [405, 500, 503, 507].includes(reply.status) && reply.clean && /^[A-Z_]+$/.test(code)
  if (!isClear || reply.body.includes('/disk/')) throw new Error(`${what}: ${describeReply(reply)}`)
}
