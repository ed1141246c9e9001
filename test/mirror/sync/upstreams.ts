import t from 'tap'
import { usualUpstream } from '../../../src/config/upstreams.ts'
import { SyncUpstreams } from '../../../src/mirror/sync/upstreams.ts'
import { Upstream } from '../../../src/mirror/upstream.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { catchUpstream, findClosedPort, openUpstream } from '../../helpers/upstream.ts'

t.test('an upstream that pulls took for offline is tried by a sync all the same', async (t) => {
  const client = openUpstream(t, [`http://127.0.0.1:${await findClosedPort()}`], { breaker: { threshold: 1 } })
  const ask = () => catchUpstream(client.listTags(parseRepositoryName('team/app')))
  await ask()
  t.ok(client.isAway)
  t.match(await ask(), { message: /offline/ })
  const shared = [new Upstream(usualUpstream('up.test'), client)]
  const upstreams = new SyncUpstreams(
    { registries: new Map(), limits: {} },
    { configured: [], shared, open: () => client },
  )
  t.equal(upstreams.find('up.test'), shared[0])
  t.notOk(client.isAway)
  t.match(await ask(), { message: /ECONNREFUSED/ })
  upstreams.find('up.test')
  t.match(await ask(), { message: /offline/ }, 'once a run')
})
