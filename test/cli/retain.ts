import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { makeHome } from '../helpers/home.ts'
import { pushImage } from '../helpers/push.ts'
import { runTarn } from '../helpers/tarn.ts'

t.test('it removes what no policy keeps, through the registry and without one, and tells which and why', async (t) => {
  const policy = `retention: {policies: [{repositories: ['team/*'], keep: [{tags: 'v.*'}]}]}\n`
  const { directory, serve } = makeHome(t, policy)
  const serving = await serve()
  const client = openClient({ url: serving.url })
  t.teardown(() => client.close())
  for (const reference of ['v1', 'old', 'older']) await pushImage(client, 'team/app', reference, { reference })
  await pushImage(client, 'other', 'x', { reference: 'old' })
  const dry = await runTarn(directory, ['retain', '--dry-run'])
  t.equal(dry.code, 0, dry.stderr)
  t.match(dry.stdout, /^team\/app:old +\d{4}-\d\d-\d\d/m)
  t.match(dry.stdout, /^would remove 2 of 3 tags in 1 repository that policies judge$/m)
  const served = await runTarn(directory, ['retain'])
  t.match(served.stdout, /^removed 2 of 3 tags in 1 repository that policies judge$/m)
  t.match(served.stdout, /^kept: 1 by rule 1 of policy 1$/m)
  t.match(served.stdout, /^2 manifests lost the last tag$/m)
  t.match(served.stdout, /^2 stay on the disk: set untaggedAfter in the policy, or run: tarn gc --untagged$/m)
  const tags = async (name: string) => JSON.parse((await client.send('GET', `/v2/${name}/tags/list`)).body.toString())
  t.match(await tags('team/app'), { tags: ['v1'] })
  t.match(await tags('other'), { tags: ['old'] })
  client.close()
  await serving.end('SIGTERM')
  const alone = await runTarn(directory, ['--json', 'retain'])
  t.equal(alone.code, 0, alone.stderr)
  t.match(JSON.parse(alone.stdout), { removed: [], tags: { seen: 1, kept: 1 } })
})

t.test('without policies every tag is kept, and it says so', async (t) => {
  const { directory } = makeHome(t)
  const { code, stderr } = await runTarn(directory, ['retain'])
  t.equal(code, 0)
  t.match(stderr, /there are no retention.policies/)
})
