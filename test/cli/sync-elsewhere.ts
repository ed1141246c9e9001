import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { pushLayers } from '../helpers/mirror.ts'
import { setSyncScene } from '../helpers/sync.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

t.test('Ctrl-C ends the sync of all files, not only that of the one under way', async (t) => {
  const { client, gateway, home, write } = await setSyncScene(t)
  for (const name of ['team/first', 'team/second']) {
    await pushLayers(client, name, [Buffer.alloc(5000, name)], { reference: 'v1' })
  }
  write('{from: HOST/team/second, to: lab/second}')
  const second = readFileSync(join(home.directory, 's.yml'))
  write('{from: HOST/team/first, to: lab/first}')
  writeFileSync(join(home.directory, 'second.yml'), second)
  const held = Promise.withResolvers<void>()
  const until = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => {
    if (!url.includes('/blobs/')) return undefined
    held.resolve()
    return { after: 100, until: until.promise }
  }
  const child = spawn(process.execPath, [MAIN, 'sync', 's.yml', 'second.yml', '--to', 'oci:layout'], {
    cwd: home.directory,
    env: { PATH: process.env['PATH'], HOME: home.directory },
    stdio: 'ignore',
  })
  await held.promise
  child.kill('SIGINT')
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  until.resolve()
  t.same([code, signal], [1, null], 'it ended by itself')
  t.equal(gateway.seen.filter(({ url }) => url.startsWith('/v2/team/second/')).length, 0)
})
