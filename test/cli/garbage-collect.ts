import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeHome, pushLitter } from '../helpers/home.ts'
import { runTarn } from '../helpers/tarn.ts'

t.test('it speaks as registry:2: the same options, the same line, everything at once', async (t) => {
  const { directory, data, serve } = makeHome(t)
  const serving = await serve()
  const { orphan } = await pushLitter(serving.url)
  await serving.end('SIGTERM')
  const run = (...args: string[]) => runTarn(directory, ['garbage-collect', ...args])
  const dry = await run('--dry-run', '--delete-untagged', 'config.yml')
  t.equal(dry.code, 0, dry.stderr)
  t.match(
    dry.stdout,
    /^manifest eligible for deletion: sha256:[0-9a-f]{64}\n\n2 blobs marked, 3 blobs and 1 manifests eligible for deletion\n(?:blob eligible for deletion: sha256:[0-9a-f]{64}\n){3}$/,
  )
  const tagged = await run('config.yml', '-d')
  t.equal(
    tagged.stdout,
    `\n4 blobs marked, 1 blobs and 0 manifests eligible for deletion\nblob eligible for deletion: ${orphan}\n`,
  )
  const done = await run('config.yml', '-m')
  t.equal(done.stdout, dry.stdout)
  t.match(done.stderr, /^using .*config\.yml, data in .*\/data$/m)
  t.match(done.stderr, /^3 blobs, \d+ B, were deleted$/m)
  const hex = orphan.slice('sha256:'.length)
  t.notOk(existsSync(join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex)))
  t.equal((await run('config.yml', '-dm')).stdout, '\n2 blobs marked, 0 blobs and 0 manifests eligible for deletion\n')
  const quiet = await run('-m', '-q', 'config.yml')
  t.same([quiet.code, quiet.stdout, quiet.stderr], [0, '', ''])
})

t.test('while a registry runs its leases hold, and it says so', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  await pushLitter(serving.url)
  const { code, stdout, stderr } = await runTarn(directory, ['garbage-collect', '-m', 'config.yml'])
  t.equal(code, 0, stderr)
  t.equal(stdout, '\n5 blobs marked, 0 blobs and 0 manifests eligible for deletion\n')
  t.match(stderr, /the registry is running: what is younger than gc.lease \(24h\) stays/)
})

t.test('a configuration that is not there is an error', async (t) => {
  const { directory } = makeHome(t)
  const { code, stderr } = await runTarn(directory, ['garbage-collect', 'nowhere.yml'])
  t.equal(code, 1)
  t.match(stderr, /^error: there is no configuration file nowhere.yml/)
})
