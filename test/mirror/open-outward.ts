import { randomBytes } from 'node:crypto'
import t from 'tap'
import { resolveConfig } from '../../src/config/load.ts'
import { openOutward } from '../../src/mirror/open-outward.ts'

t.test('limits hold for every registry of which nothing else is said', async (t) => {
  const logger = { info: () => undefined, warn: () => undefined, debug: () => undefined }
  const config = resolveConfig({ storage: { filesystem: { rootdirectory: t.testdir({}) } } })
  const outward = openOutward(config, { clock: Date.now, random: randomBytes, logger, shared: [], fetching: undefined })
  const upstreams = outward.openUpstreams(new Map([['b.test', { concurrency: 5 }]]), {
    concurrency: 3,
    bandwidth: 1000,
  })
  t.match(upstreams.find('a.test').config, { concurrency: 3, bandwidth: 1000 })
  t.match(upstreams.find('b.test').config, { concurrency: 5, bandwidth: 1000 })
  await upstreams.close()
})
