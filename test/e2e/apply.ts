// Laptop, gap, site: images go across by bundles and by tars, from Tarn and from the real registry:2 into either, cold and
// under a running server, in parts, in any order, with kill -9 in between; and each is then pulled by podman. Larger
// registries: TARN_E2E_APPLY_MB; a run again: TARN_E2E_SEED.
import { randomBytes } from 'node:crypto'
import { openSync, readSync, writeSync, closeSync, readdirSync, statSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { hashTree } from '../helpers/hash-tree.ts'
import { applyBesideCollections } from './apply/beside-collection.ts'
import { beginApply } from './apply/begin-apply.ts'
import { checkPulls, load } from './apply/images.ts'
import type { Cargo } from './apply/images.ts'
import { makePeer } from './exchange/peers.ts'
import { makeContainerStorage } from './helpers/containers.ts'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import type { Tarn } from './helpers/tarn.ts'

export const name = 'apply'

const MEGABYTES = 12
const PARTS = 3

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const { machine } = context
  const megabytes = Number(process.env['TARN_E2E_APPLY_MB'] ?? MEGABYTES)
  if (!Number.isSafeInteger(megabytes) || megabytes < PARTS)
    throw new Error('TARN_E2E_APPLY_MB is no count of megabytes')
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  context.progress(`apply: seed ${seed}`)
  const env = await makeContainerStorage(machine)
  const tarn = makeCommand(context)
  const second = makePeer(context, 'registry:2', 'docker-registry')

  const laptop = await context.startTarn()
  const cargo = await load(context, laptop, megabytes)
  const media = await machine.scratch('media')
  let parts: string[] = []

  await recorder.check('a bundle in parts is made beside a running registry, and verifies', async () => {
    const size = `${Math.ceil((megabytes * 1_048_576) / PARTS)}`
    await tarn(laptop, ['bundle', 'create', join(media, 'march.tar'), '--part-size', size])
    parts = readdirSync(media)
      .filter((file) => file.endsWith('.tar'))
      .map((file) => join(media, file))
    if (parts.length < PARTS) throw new Error(`${parts.length} parts`)
    await tarn(laptop, ['bundle', 'verify', media])
    await machine.run('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: media })
  })

  await recorder.check('applied in a directory at rest, then served', async () => {
    const site = await makeSite(context)
    await tarn(site, ['bundle', 'apply', media])
    await serveAndPull(context, site, cargo, env)
  })

  await recorder.check('parts in any order, twice, with kill -9 of the command in between', async () => {
    const site = await makeSite(context)
    for (const part of shuffle(parts, seed)) {
      const begun = await beginApply(context, part, (fifo) => commandOf(context, site, ['bundle', 'apply', fifo]))
      await begun.command.stop('SIGKILL')
      await begun.mustEnd(/^ended by SIGKILL$/)
      await tarn(site, ['bundle', 'apply', part], [0, 3])
    }
    await tarn(site, ['bundle', 'apply', ...shuffle(parts, `${seed} twice`)])
    await serveAndPull(context, site, cargo, env)
  })

  await recorder.check(
    'parts in any order into a running registry, with kill -9 of the registry in between',
    async () => {
      let site = await context.startTarn()
      for (const part of shuffle(parts, `${seed} again`)) {
        const from = site
        const begun = await beginApply(context, part, (fifo) => commandOf(context, from, ['bundle', 'apply', fifo]))
        await site.stop('SIGKILL')
        const how = await site.service.ending()
        if (how !== 'ended by SIGKILL') throw new Error(`the registry: ${how}`)
        // It says that the registry is gone, and does not take the part for applied.
        await begun.mustEnd(/^exit 1$/)
        site = await context.startTarn({ home: site.home, data: site.data })
        await tarn(site, ['bundle', 'apply', part], [0, 3])
      }
      await tarn(site, ['bundle', 'apply', ...parts])
      await checkPulls(context, site, cargo, env)
      await site.stop()
    },
  )

  await recorder.check('parts while one collection after the other runs beside them: nothing is lost', async () => {
    const done = await applyBesideCollections(context, {
      rounds: 3,
      async apply(site, round) {
        for (const part of shuffle(parts, `${seed} ${round}`)) await tarn(site, ['bundle', 'apply', part], [0, 3])
      },
      check: (site) => checkPulls(context, site, cargo, env),
      remove: async (site) => void (await tarn(site, ['rm', '**', '--yes'])),
    })
    context.progress(`apply: ${done.count} collections deleted ${done.deleted} blobs and gave ${done.restored} back`)
  })

  await recorder.check('a second apply changes nothing', async () => {
    const site = await makeSite(context)
    await tarn(site, ['bundle', 'apply', media])
    const before = hashTree(join(site.data, 'docker'))
    await tarn(site, ['bundle', 'apply', media])
    if (hashTree(join(site.data, 'docker')) !== before) throw new Error('the tree is another one')
  })

  await recorder.check('one flipped bit: exit code 4, and nothing is changed', async () => {
    const site = await makeSite(context)
    const before = hashTree(site.data)
    const bad = join(await machine.scratch('bad'), 'bad.tar')
    await cp(parts[0] ?? '', bad)
    flipBit(bad, Math.floor(statSync(bad).size / 2))
    await tarn(site, ['bundle', 'verify', bad], [4])
    await tarn(site, ['bundle', 'apply', bad], [4])
    if (hashTree(site.data) !== before) throw new Error('the tree is another one')
  })

  await recorder.check('the bundle unpacked by plain tar, under registry:2', async () => {
    const place = await machine.scratch('plain')
    for (const part of parts) await machine.run('tar', ['-xf', part, '-C', place])
    await serveAndPull(context, undefined, cargo, env, () => second.start(join(place, 'data')))
  })

  await recorder.check('a tar of the data directory, under registry:2', async () => {
    const place = await machine.scratch('carried')
    await machine.run('sh', ['-c', `tar -cf - -C "${laptop.data}" --exclude=.tarn . | tar -xf - -C "${place}"`])
    await serveAndPull(context, undefined, cargo, env, () => second.start(place))
  })

  const peer = await second.start()
  const theirs = await load(context, peer, PARTS)
  await peer.stop()
  const tars = await machine.scratch('theirs')
  await machine.run('tar', ['-zcf', join(tars, 'registry.tar.gz'), '-C', join(peer.data, '..'), 'data'])
  await machine.run('sh', ['-c', `tar -cf - -C "${peer.data}" . | zstd -q -o "${join(tars, 'registry.tar.zst')}"`])

  for (const file of ['registry.tar.gz', 'registry.tar.zst']) {
    await recorder.check(`${file} of registry:2 taken into a directory at rest`, async () => {
      const site = await makeSite(context)
      await tarn(site, ['import', `data:${join(tars, file)}`])
      await serveAndPull(context, site, theirs, env)
    })
  }
  await recorder.check('the data directory of registry:2 itself taken into a directory at rest', async () => {
    const site = await makeSite(context)
    await tarn(site, ['import', `data:${peer.data}`])
    await serveAndPull(context, site, theirs, env)
  })
  await recorder.check(
    'registry.tar.gz of registry:2 taken into a running registry, merged with what is there',
    async () => {
      // A name that the tar does not have: its tags must be what they were.
      const own = `docker://${laptop.address}/own/lists:v1`
      const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
      const all = ['copy', '-q', '--all', '--preserve-digests']
      await machine.run('skopeo', [...all, ...plain, `docker://${laptop.address}/lists:v1`, own])
      const raw = async (): Promise<Buffer> =>
        (await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', own])).stdout
      const before = await raw()
      await tarn(laptop, ['import', `data:${join(tars, 'registry.tar.gz')}`])
      await checkPulls(context, laptop, { fixtures: theirs.fixtures, ledger: new Map() }, env)
      if (!before.equals(await raw())) throw new Error('an image of ours is another one')
      const copied = `dir:${await machine.scratch('own')}`
      await machine.run('skopeo', [...all, '--src-tls-verify=false', own, copied])
    },
  )
  await laptop.stop()
  return recorder.rows
}

interface Site {
  readonly home: string
  readonly data: string
  readonly configFile: string
}

/** A home that nobody serves. */
async function makeSite(context: E2EContext): Promise<Site> {
  const tarn = await context.startTarn()
  await tarn.stop()
  return tarn
}

async function serveAndPull(
  context: E2EContext,
  site: Site | undefined,
  cargo: Cargo,
  env: Record<string, string>,
  start?: () => Promise<Tarn>,
): Promise<void> {
  const registry = await (start?.() ?? context.startTarn(site && { home: site.home, data: site.data }))
  try {
    await checkPulls(context, registry, cargo, env)
  } finally {
    await registry.stop()
  }
}

function commandOf(context: E2EContext, { configFile }: Pick<Site, 'configFile'>, words: readonly string[]): string[] {
  return [join(context.checkout, 'src', 'main.ts'), ...words, '--config', configFile]
}

/** Runs a command of tarn on a home; other exit codes than `codes` throw. */
function makeCommand(context: E2EContext) {
  return async (site: Pick<Site, 'configFile'>, words: readonly string[], codes: readonly number[] = [0]) =>
    context.machine.run(context.node, commandOf(context, site, words), { codes })
}

/** The same order for the same seed. */
function shuffle<T>(items: readonly T[], seed: string): T[] {
  let state = Buffer.from(seed).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)
  const next = (): number => (state = (state * 1_664_525 + 1_013_904_223) >>> 0)
  return items
    .map((item) => ({ item, key: next() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

function flipBit(path: string, at: number): void {
  const handle = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(handle, byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 1
  writeSync(handle, byte, 0, 1, at)
  closeSync(handle)
}
