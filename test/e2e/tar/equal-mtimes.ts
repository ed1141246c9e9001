// I2 against its hardest case: two tars of one registry, every mtime in them equal, the second with a moved tag, a
// new tag and a new referrer. GNU tar restores mtimes, so nothing but the ctime tells the files apart.
import { rmSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../durability/client.ts'
import { connectTo } from '../durability/client.ts'
import { TYPES, describe, digestOf, getManifest, imageManifest, pushBlob, putManifest } from '../durability/push.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'

const REPOSITORY = 'team/app'
const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
const config = describe(TYPES.config, CONFIG)
const FIRST = imageManifest(config, [], 'first')
const SECOND = imageManifest(config, [], 'second')
const SIGNATURE = imageManifest(config, [], 'a signature of the first', describe(TYPES.manifest, FIRST))

/** Adds a row for each way in which tar replaces files. */
export async function checkEqualMtimes(context: E2EContext, recorder: Recorder): Promise<void> {
  const folder = await context.machine.scratch('mtimes')
  const tars = await makeTars(context, folder)
  for (const way of ['new inodes', 'the same inodes'] as const) {
    await recorder.check(`a second tar with equal mtimes and ${way} is seen at the next request`, async () => {
      const data = join(folder, way.replaceAll(' ', '-'))
      await mkdir(data)
      const served = await serve(context, await writeConfig(context, data))
      const client = connectTo(served.origin)
      const extract = (tar: string): Promise<unknown> =>
        context.machine.run('tar', ['-xf', tar, '-C', data, ...(way === 'the same inodes' ? ['--overwrite'] : [])])
      await extract(tars.one)
      // Asked twice: the second answer may come from what the server remembers.
      for (let time = 0; time < 2; time++) await expectState(client, { latest: FIRST, tags: ['latest'], referrers: [] })
      const before = await statAll(data)
      await extract(tars.two)
      await expectState(client, { latest: SECOND, tags: ['fresh', 'latest'], referrers: [digestOf(SIGNATURE)] })
      const after = await statAll(data)
      for (const [at, was] of before.entries()) {
        // Otherwise the tars did not set the trap.
        if (was.mtimeMs !== after[at]?.mtimeMs) throw new Error('the mtimes of the two tars differ')
      }
      if (way === 'the same inodes' && before[0]?.ino !== after[0]?.ino)
        throw new Error('tar made a new inode for the link')
      client.close()
      await served.kill('SIGTERM')
    })
  }
}

async function makeTars(context: E2EContext, folder: string): Promise<{ one: string; two: string }> {
  const data = join(folder, 'source')
  await mkdir(data)
  const configFile = await writeConfig(context, data)
  const pack = async (file: string, push: (client: Client) => Promise<{ status: number }[]>): Promise<string> => {
    const served = await serve(context, configFile)
    const client = connectTo(served.origin)
    const replies = await push(client)
    client.close()
    await served.kill('SIGTERM')
    if (replies.some((reply) => reply.status !== 201))
      throw new Error(`pushes were answered ${replies.map((reply) => reply.status).join()}`)
    rmSync(join(data, '.tarn'), { recursive: true, force: true })
    await context.machine.run('find', [data, '-exec', 'touch', '-d', '2026-01-01T00:00:00Z', '{}', '+'])
    await context.machine.run('tar', ['-cf', join(folder, file), '-C', data, '.'])
    return join(folder, file)
  }
  const one = await pack('one.tar', async (client) => [
    await pushBlob(client, REPOSITORY, CONFIG),
    await putManifest(client, REPOSITORY, 'latest', FIRST),
  ])
  const two = await pack('two.tar', async (client) => [
    await putManifest(client, REPOSITORY, 'latest', SECOND),
    await putManifest(client, REPOSITORY, 'fresh', SECOND),
    await putManifest(client, REPOSITORY, digestOf(SIGNATURE), SIGNATURE),
  ])
  return { one, two }
}

interface State {
  readonly latest: Buffer
  readonly tags: readonly string[]
  readonly referrers: readonly string[]
}

async function expectState(client: Client, state: State): Promise<void> {
  const latest = await getManifest(client, REPOSITORY, 'latest')
  if (!latest.body.equals(state.latest)) throw new Error(`latest: ${latest.status}, not the image of the last tar`)
  const tags = await client.get(`/v2/${REPOSITORY}/tags/list`)
  expectEqual('tags', (JSON.parse(tags.body.toString()) as { tags: string[] }).tags, state.tags)
  const path = `/v2/${REPOSITORY}/referrers/${digestOf(FIRST)}`
  const { manifests } = JSON.parse((await client.get(path)).body.toString()) as { manifests: { digest: string }[] }
  expectEqual(
    'referrers',
    manifests.map(({ digest }) => digest),
    state.referrers,
  )
}

function expectEqual(what: string, found: readonly string[], expected: readonly string[]): void {
  if (found.join() !== expected.join()) throw new Error(`${what}: ${found.join()} instead of ${expected.join()}`)
}

/** The link of the tag that moves first, then the directories that gain an entry. */
function statAll(data: string): Promise<{ mtimeMs: number; ino: number }[]> {
  const manifests = join(data, 'docker/registry/v2/repositories', REPOSITORY, '_manifests')
  const paths = ['tags/latest/current/link', 'tags', 'revisions/sha256']
  return Promise.all(paths.map((path) => stat(join(manifests, path))))
}
