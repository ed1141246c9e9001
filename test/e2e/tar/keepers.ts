// I11, one keeper: a second server on the same directory only reads and says so, takes over when the first one is
// killed, and a second one on the same port gives an error that a person can act on.
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
import { serve, writeConfig } from '../durability/serve.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { keepBlob, keepImage } from './stock.ts'

const TAKE_OVER_MS = 30_000

/** Adds the rows about two servers at once. */
export async function checkKeepers(context: E2EContext, recorder: Recorder): Promise<void> {
  const data = await context.machine.scratch('keepers')
  const configFile = await writeConfig(context, data)
  const first = await serve(context, configFile)
  const toFirst = connectTo(first.origin)
  const ledger = new Ledger()
  const config = Buffer.from('{"architecture":"amd64","os":"linux"}')
  await keepBlob(toFirst, ledger, 'kept/app', config)
  await keepImage(toFirst, ledger, 'kept/app', imageManifest(describe(TYPES.config, config), [], 'kept'))
  const second = await serve(context, configFile)
  const toSecond = connectTo(second.origin)

  await recorder.check(
    'a second server on the same directory reads, refuses writes with 405 UNSUPPORTED, and says so',
    async () => {
      await demand(second, ledger, ledger.names(), 'the second server')
      expectUnsupported(await pushBlob(toSecond, 'kept/app', Buffer.from('new')), 'a blob')
      expectUnsupported(await putManifest(toSecond, 'kept/app', 'new', emptyIndex('new')), 'a manifest')
      expectUnsupported(await deleteManifest(toSecond, 'kept/app', 'latest'), 'a deletion')
      // Standard output and error are two pipes: what says so may arrive after the address.
      await second.service.waitFor(/read-only/i)
      await keepBlob(toFirst, ledger, 'kept/app', Buffer.from('the first one still writes'))
      await demand(first, ledger, ledger.names(), 'the first server')
    },
  )
  await recorder.check('a second server on the same port ends with an error and a hint', async () => {
    const elsewhere = await writeConfig(context, await context.machine.scratch('port'))
    const address = new URL(first.origin).host
    const args = [join(context.checkout, 'src/main.ts'), 'serve', elsewhere, '--listen', address]
    const { code, stderr } = await context.machine.run(context.node, args, { codes: [0, 1, 2, 70], timeout: 20_000 })
    const isClear = /^error: .*\b(?:in use|port|address)\b/im.test(stderr) && /^hint: /m.test(stderr)
    if (code !== 1 || !isClear || /^ {4}at /m.test(stderr)) throw new Error(`exit ${code}: ${stderr}`)
  })
  await recorder.check('the second server takes over when the keeper is killed', async () => {
    toFirst.close()
    await first.kill('SIGKILL')
    await pushUntilTaken(toSecond)
    await keepBlob(toSecond, ledger, 'kept/app', Buffer.from('the second one writes now'))
    await demand(second, ledger, ledger.names(), 'the new keeper')
    const third = await serve(context, configFile)
    const toThird = connectTo(third.origin)
    expectUnsupported(await pushBlob(toThird, 'kept/app', Buffer.from('new')), 'a blob at the third server')
    toThird.close()
    await third.kill('SIGTERM')
  })
  toSecond.close()
  await second.kill('SIGTERM')
}

function expectUnsupported(reply: Reply, what: string): void {
  if (reply.status !== 405 || codeOf(reply) !== 'UNSUPPORTED') throw new Error(`${what}: ${describeReply(reply)}`)
}

/** The first error code of an answer in the specification's form; what is wrong with it otherwise. */
export function codeOf(reply: Reply): string {
  try {
    const { errors } = JSON.parse(reply.body.toString()) as { errors: { code: string; message: string }[] }
    return errors[0]?.code ?? 'no error in it'
  } catch {
    return `no JSON: ${describeReply(reply)}`
  }
}

async function pushUntilTaken(client: Client): Promise<void> {
  const end = Date.now() + TAKE_OVER_MS
  for (;;) {
    const reply = await pushBlob(client, 'kept/app', Buffer.from('the first write after'))
    if (reply.status === 201) return
    expectUnsupported(reply, 'before it takes over')
    if (Date.now() > end) throw new Error(`it did not take over within ${TAKE_OVER_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
