import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resolveConfig } from '../../../src/config/load.ts'
import { readArguments } from '../../../src/mirror/sync/arguments.ts'
import { openSync } from '../../../src/mirror/sync/open-sync.ts'
import { orderImage } from '../../../src/mirror/sync/order.ts'
import { makeContext, makeStore } from '../../helpers/store.ts'
import { hashOf } from '../../helpers/digest.ts'
import { findClosedPort } from '../../helpers/upstream.ts'

t.test('without a mirror what is left of blobs for too long goes at the end of each run', async (t) => {
  const store = makeStore(t.testdir({}))
  const nothing = async () => {
    throw new Error('nothing of this is done here')
  }
  const logger = { info: () => undefined, warn: () => undefined, debug: () => undefined }
  const sync = openSync(resolveConfig({ storage: { filesystem: { rootdirectory: store.directory } } }), {
    upkeep: {
      context: makeContext(store),
      collector: { run: nothing, last: undefined, running: false },
      remove: nothing,
    },
    keeps: () => true,
    clock: store.clock,
    logger,
    random: randomBytes,
    ensureHome: () => undefined,
    patience: { silence: 0 },
  })
  t.teardown(() => sync.close())
  const order = orderImage(readArguments(`127.0.0.1:${await findClosedPort()}/a/b:1`, undefined))
  t.equal((await sync.open().run(order, {})).outcome, 'partly')
  const left = join(store.layout.mirrorBlobs, hashOf('left').replace(':', '-'))
  mkdirSync(store.layout.mirrorBlobs, { recursive: true })
  writeFileSync(left, 'half of it')
  await sync.open().run(order, {})
  t.ok(existsSync(left))
  store.turn(7 * 3_600_000)
  await sync.open().run(order, {})
  t.notOk(existsSync(left))
})
