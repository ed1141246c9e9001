// `tarn sync` beside `skopeo sync`: the same images of the same docker-registry into a Tarn that serves, each time an empty
// one, in turns. All of it over loopback. About three times the images are used of the temporary directory, and freed.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../e2e/helpers/docker-registry.ts'
import type { Tarn } from '../e2e/helpers/tarn.ts'
import { makeTarnProgram, startRegistry } from '../e2e/helpers/tarn.ts'
import type { Planted } from '../e2e/sync/plant-images.ts'
import { plantImages } from '../e2e/sync/plant-images.ts'
import { startRelay } from '../e2e/mirror/relay.ts'
import type { BenchContext, Results } from './helpers/bench.ts'

const MIB = 1024 * 1024
/** Bytes a second of 1 Gbit/s. */
const GIGABIT = 125_000_000
const IMAGES = Number(process.env['TARN_BENCH_SYNC_IMAGES'] ?? 200)
const BYTES = Number(process.env['TARN_BENCH_MIB'] ?? 4096) * MIB
const REPOSITORIES = 20
const UP = 'up.test'
const QUIET = { log: { level: 'info', accesslog: { disabled: true } } }

const WHOLE = `${IMAGES} images, ${Math.round(BYTES / MIB)} MiB, 60 % of their layers shared: whole time`
const SHARE = 'whole time, skopeo sync = 1'
const SECOND = 'a second run, which finds everything here'
const LINE = 'over 1 Gbit/s: whole time, the line itself = 1'
const READ = 'bytes of blobs from the upstream, each once = 1'

interface Report {
  readonly bytes: number
  readonly blobs: number
  readonly counts: Readonly<Record<string, number>>
}

export async function measureSync(context: BenchContext): Promise<Results> {
  const { machine, progress, rounds, checkout } = context
  const folder = await machine.scratch('bench-sync')
  const planted = await plantImages({
    data: join(folder, 'up'),
    images: IMAGES,
    repositories: REPOSITORIES,
    bytes: BYTES,
  })
  const upstream = await startRegistry(machine, makeDockerRegistryProgram(), {
    data: join(folder, 'up'),
    config: QUIET,
  })
  const host = new URL(upstream.url).host
  const startTarn = () => startRegistry(machine, makeTarnProgram(checkout, process.execPath), { config: QUIET })
  const relay = await startRelay(Number(new URL(upstream.url).port), { onEnd: (act) => machine.onEnd(act) })
  const write = async (name: string, url: string): Promise<string> => {
    const path = join(folder, name)
    const registry = `${UP}: {insecure: true, url: ["${url}"]}`
    await writeFile(path, `version: 1\nregistries: {${registry}}\nsync:\n  - {from: ${UP}, to: lab}\n`)
    return path
  }
  const file = await write('s.yml', upstream.url)
  const slow = await write('slow.yml', relay.url)
  const list = join(folder, 'skopeo.yml')
  const names = [...new Set(planted.images.map(({ repository }) => repository))]
  await writeFile(
    list,
    `"${host}":\n  tls-verify: false\n  images:\n${names.map((name) => `    ${name}: []\n`).join('')}`,
  )

  const sync = async (tarn: Tarn, by = file): Promise<{ seconds: number; report: Report }> => {
    const began = performance.now()
    const args = [join(checkout, 'src/main.ts'), '--json', 'sync', by, '--config', tarn.configFile]
    const { text } = await machine.run(process.execPath, args, { timeout: 1_800_000 })
    return { seconds: (performance.now() - began) / 1000, report: JSON.parse(text) as Report }
  }
  const skopeo = async (tarn: Tarn): Promise<number> => {
    const began = performance.now()
    const args = ['sync', '--src', 'yaml', '--dest', 'docker', '--dest-tls-verify=false', list, `${tarn.address}/lab`]
    await machine.run('skopeo', args, { timeout: 1_800_000 })
    return (performance.now() - began) / 1000
  }

  const taken = {
    tarn: [] as number[],
    skopeo: [] as number[],
    share: [] as number[],
    second: [] as number[],
    read: [] as number[],
  }
  for (let round = 0; round < rounds; round += 1) {
    const ours = await startTarn()
    const { seconds, report } = await sync(ours)
    requireWhole(report, planted)
    const again = await sync(ours)
    if (again.report.bytes > 0 || again.report.counts['here'] !== IMAGES)
      throw new Error('the second run fetched something')
    await ours.stop()
    await rm(ours.data, { recursive: true, force: true })
    const theirs = await startTarn()
    const peer = await skopeo(theirs)
    await theirs.stop()
    await rm(theirs.data, { recursive: true, force: true })
    taken.tarn.push(seconds)
    taken.skopeo.push(peer)
    taken.share.push(seconds / peer)
    taken.second.push(again.seconds)
    taken.read.push(report.bytes / planted.bytes)
    progress(
      `tarn sync ${seconds.toFixed(1)} s, skopeo sync ${peer.toFixed(1)} s, ${(seconds / peer).toFixed(2)} ×; again ${again.seconds.toFixed(2)} s`,
    )
  }
  relay.shape(GIGABIT)
  const over = await startTarn()
  const line = await sync(over, slow)
  requireWhole(line.report, planted)
  const sent = relay.bytesOf('/blobs/')
  if (sent !== planted.bytes) throw new Error(`${sent} of ${planted.bytes} bytes of blobs went over the line`)
  relay.shape(undefined)
  relay.clear()
  const quiet = await sync(over, slow)
  const asked = relay.requestsFor('/blobs/').length
  if (asked > 0 || quiet.report.counts['here'] !== IMAGES) throw new Error(`a second run asked for ${asked} blobs`)
  await over.stop()
  await rm(over.data, { recursive: true, force: true })
  const least = planted.bytes / GIGABIT
  progress(`over 1 Gbit/s: ${line.seconds.toFixed(1)} s, the line itself ${least.toFixed(1)} s`)
  return {
    peer: 'skopeo sync',
    rows: [
      { name: WHOLE, unit: 's', tarn: taken.tarn, peer: taken.skopeo },
      { name: SHARE, unit: '×', tarn: taken.share, peer: [] },
      { name: READ, unit: '×', tarn: taken.read, peer: [] },
      { name: LINE, unit: '×', tarn: [line.seconds / least], peer: [] },
      { name: SECOND, unit: 's', tarn: taken.second, peer: [] },
    ],
    requirements: [
      { name: 'whole time against skopeo sync', row: SHARE, most: 0.5 },
      { name: 'bytes of blobs from the upstream', row: READ, most: 1 },
      { name: 'whole time over 1 Gbit/s', row: LINE, most: 1.1 },
      { name: 'a second run', row: SECOND, most: 2 },
    ],
  }
}

function requireWhole({ counts, bytes }: Report, planted: Planted): void {
  if (counts['copied'] !== IMAGES || bytes !== planted.bytes)
    throw new Error(`${counts['copied']} images and ${bytes} of ${planted.bytes} bytes came`)
}
