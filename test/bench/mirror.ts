// Tarn as a mirror in front of Debian's docker-registry (distribution 2.8.2), beside docker-registry as its own pull-through
// cache: what many clients of one cold blob cost the upstream, how much later a cold pull is than a direct one, what a hit
// takes while the upstream is dead. All of it over loopback; a relay stands for the line to the upstream. About 8 GiB of
// the temporary directory are used and freed.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeContainerStorage } from '../e2e/helpers/containers.ts'
import type { Tarn } from '../e2e/helpers/tarn.ts'
import { sendCrowd } from '../e2e/mirror/flights.ts'
import { makeLayer, TYPES } from '../e2e/mirror/images.ts'
import { HOST, waitForTag } from '../e2e/mirror/scene.ts'
import type { BenchContext, Requirement, Results, Row } from './helpers/bench.ts'
import { makeLargeFile, REPOSITORY } from './helpers/fixture.ts'
import type { Measured } from './helpers/load.ts'
import { makeSender } from './helpers/load.ts'
import { readPeak, resetPeak } from './helpers/memory.ts'
import { provideTools } from './helpers/tools.ts'
import { pushBlob } from './helpers/transfer.ts'
import type { Field } from './mirror/field.ts'
import { asPeer, pullCold, pushLarge, setField } from './mirror/field.ts'

const MIB = 1024 * 1024
const CROWD_MIB = Number(process.env['TARN_BENCH_MIB'] ?? 512)
const SMALL_MIB = 64
const CLIENTS = 100
const FEW = 10
const PULL_BYTES = Number(process.env['TARN_BENCH_PULL_MIB'] ?? 256) * MIB
/** Bytes a second of 1 Gbit/s. */
const GIGABIT = 125_000_000
const CONNECTIONS = 16
const MIRRORED = `${HOST}/${REPOSITORY}`

const CROWD = `${CLIENTS} clients, one cold blob of ${CROWD_MIB} MiB`
const SMALLER = `${CLIENTS} clients, one cold blob of ${SMALL_MIB} MiB: peak memory`
const LATER = 'cold pull over 1 Gbit/s: first byte later than direct'
const LONGER = 'cold pull over 1 Gbit/s: whole time, direct = 1'
const PODMAN = 'cold podman pull at full speed: whole time, direct = 1'
const HIT = `manifest by tag, upstream dead, ${CONNECTIONS} connections: p50`

export async function measureMirror(context: BenchContext): Promise<Results> {
  const { machine, progress, checkout } = context
  const { wrk } = await provideTools(machine, progress)
  const field = await setField(machine, checkout)
  const rows = [
    ...(await measureCrowd(context, field)),
    ...(await measureColdPulls(context, field)),
    ...(await measurePodman(context, field)),
    ...(await measureHits(context, field, wrk)),
  ]
  return { rows, requirements: requirementsOf() }
}

function requirementsOf(): Requirement[] {
  return [
    { name: `bytes read upstream for ${CLIENTS} clients`, row: `${CROWD}: read upstream`, most: 1.005 },
    {
      name: `memory is flat: peak for ${SMALL_MIB} MiB against the peak for ${CROWD_MIB} MiB`,
      row: SMALLER,
      against: { row: `${CROWD}: peak memory` },
      times: 0.8,
    },
    { name: 'first byte of a cold pull, later than direct', row: LATER, most: 20 },
    { name: 'whole time of a cold pull over 1 Gbit/s', row: LONGER, most: 1.05 },
    { name: 'whole time of a cold podman pull at full speed', row: PODMAN, most: 1.3 },
    { name: 'a manifest hit while the upstream is dead, p50', row: HIT, most: 2 },
  ]
}

async function measureCrowd({ machine, progress }: BenchContext, field: Field): Promise<Row[]> {
  const { upstream, relay, startTarn, startCache } = field
  const folder = await machine.scratch('bench-crowd')
  const fill = async (mib: number) => {
    const file = await makeLargeFile(join(folder, `${mib}`), mib * MIB)
    await pushBlob(machine, upstream, file)
    await rm(file.path)
    return file
  }
  const send = async (registry: Tarn, name: string, file: { digest: string; size: number }, clients: number) => {
    relay.clear()
    await resetPeak(registry.service.pid)
    const url = `${registry.url}/v2/${name}/blobs/${file.digest}`
    const { wrong, all } = await sendCrowd({ url, digest: file.digest, clients })
    if (wrong > 0) throw new Error(`${wrong} of ${clients} clients did not get the blob`)
    const [read, peak] = [relay.bytesOf(file.digest) / file.size, await readPeak(registry.service.pid)]
    progress(
      `${clients} clients of ${file.size / MIB} MiB at ${registry.url}: ${read.toFixed(3)} × upstream, ${(all / 1000).toFixed(1)} s, ${peak.toFixed(0)} MiB`,
    )
    return { read, peak, seconds: all / 1000 }
  }
  const [warm, small, large, other] = [
    await fill(SMALL_MIB),
    await fill(SMALL_MIB),
    await fill(CROWD_MIB),
    await fill(CROWD_MIB),
  ]
  const tarn = await startTarn()
  // The first crowd makes a process larger, whatever it asks for.
  await send(tarn, MIRRORED, warm, CLIENTS)
  const first = await send(tarn, MIRRORED, small, CLIENTS)
  const crowd = await send(tarn, MIRRORED, large, CLIENTS)
  const few = await send(tarn, MIRRORED, other, FEW)
  await tarn.stop()
  const cache = await startCache()
  const theirs = await send(cache, REPOSITORY, other, FEW)
  await cache.stop()
  await rm(tarn.data, { recursive: true, force: true })
  await rm(cache.data, { recursive: true, force: true })
  const row = (name: string, unit: string, value: number, peer?: number): Row => ({
    name,
    unit,
    tarn: [value],
    peer: peer === undefined ? [] : [peer],
  })
  const fewer = `${FEW} clients, one cold blob of ${CROWD_MIB} MiB`
  return [
    row(`${CROWD}: read upstream`, '× the blob', crowd.read),
    row(`${CROWD}: all served`, 's', crowd.seconds),
    row(`${CROWD}: peak memory`, 'MiB', crowd.peak),
    row(SMALLER, 'MiB', first.peak),
    row(`${fewer}: read upstream`, '× the blob', few.read, theirs.read),
    row(`${fewer}: all served`, 's', few.seconds, theirs.seconds),
    row(`${fewer}: peak memory`, 'MiB', few.peak, theirs.peak),
  ]
}

/** Direct, Tarn, docker-registry, and so on: a new image each round, so that both are cold. */
async function measureColdPulls({ machine, progress, rounds }: BenchContext, field: Field): Promise<Row[]> {
  const { upstream, relay, startTarn, startCache } = field
  const [tarn, cache] = [await startTarn(), await startCache()]
  relay.shape(GIGABIT)
  const ways = { direct: [relay.url, REPOSITORY], tarn: [tarn.url, MIRRORED], peer: [cache.url, REPOSITORY] } as const
  const later: Record<'tarn' | 'peer', number[]> = { tarn: [], peer: [] }
  const longer: Record<'tarn' | 'peer', number[]> = { tarn: [], peer: [] }
  const direct: { first: number[]; rate: number[] } = { first: [], rate: [] }
  for (let round = 0; round < rounds; round += 1) {
    const tag = `cold${round}`
    const { layers } = await pushLarge(machine, upstream, makeLayer('large', PULL_BYTES, 0), tag)
    const layer = layers[0]?.digest ?? ''
    const pull = ([base, repository]: readonly [string, string]) => pullCold({ base, repository, tag, layer })
    const straight = await pull(ways.direct)
    direct.first.push(straight.first)
    direct.rate.push(PULL_BYTES / straight.last / 1000)
    for (const side of ['tarn', 'peer'] as const) {
      const through = await pull(ways[side])
      later[side].push(through.first - straight.first)
      longer[side].push(through.last / straight.last)
      progress(
        `cold pull, ${side}: first byte ${(through.first - straight.first).toFixed(1)} ms later, ${(through.last / straight.last).toFixed(3)} × direct (${straight.last.toFixed(0)} ms)`,
      )
    }
    await waitForTag(tarn, MIRRORED, tag)
  }
  relay.shape(undefined)
  await tarn.stop()
  await cache.stop()
  return [
    { name: 'direct pull over 1 Gbit/s', unit: 'MB/s', tarn: [], peer: direct.rate },
    { name: 'direct pull over 1 Gbit/s: first byte', unit: 'ms', tarn: [], peer: direct.first },
    { name: LATER, unit: 'ms', ...later },
    { name: LONGER, unit: '×', ...longer },
  ]
}

/** Without the relay: nothing stands between but what is measured. */
async function measurePodman({ machine, progress, rounds }: BenchContext, field: Field): Promise<Row[]> {
  const { upstream, startTarn, startCache } = field
  const [tarn, cache] = [await startTarn(upstream.url), await startCache(upstream.url)]
  const env = await makeContainerStorage(machine)
  const podman = (args: readonly string[]) => machine.run('podman', args, { env })
  const pull = async (registry: string, repository: string, tag: string): Promise<number> => {
    const began = performance.now()
    await podman(['pull', '-q', '--tls-verify=false', `${new URL(registry).host}/${repository}:${tag}`])
    const took = performance.now() - began
    await podman(['rmi', '-af'])
    return took
  }
  const longer: Record<'tarn' | 'peer', number[]> = { tarn: [], peer: [] }
  for (let round = 0; round < rounds; round += 1) {
    const tag = `podman${round}`
    await pushLarge(machine, upstream, makeLayer('large', PULL_BYTES, 0), tag)
    const direct = await pull(upstream.url, REPOSITORY, tag)
    longer.tarn.push((await pull(tarn.url, MIRRORED, tag)) / direct)
    longer.peer.push((await pull(cache.url, REPOSITORY, tag)) / direct)
    progress(
      `cold podman pull: direct ${direct.toFixed(0)} ms, Tarn ${longer.tarn.at(-1)?.toFixed(2)} ×, docker-registry ${longer.peer.at(-1)?.toFixed(2)} ×`,
    )
    await waitForTag(tarn, MIRRORED, tag)
  }
  await tarn.stop()
  await cache.stop()
  return [{ name: PODMAN, unit: '×', ...longer }]
}

async function measureHits(context: BenchContext, field: Field, wrk: string | undefined): Promise<Row[]> {
  const { machine, progress, rounds, seconds } = context
  const { upstream, relay, startTarn, startCache } = field
  const [tarn, cache] = [await startTarn(), await startCache()]
  const image = await pushLarge(machine, upstream, makeLayer('hit', MIB), 'hit')
  const layer = image.layers[0]?.digest ?? ''
  const sides = [
    { peer: asPeer(tarn, 'Tarn'), repository: MIRRORED },
    { peer: asPeer(cache, 'docker-registry'), repository: REPOSITORY },
  ]
  for (const { peer, repository } of sides) await pullCold({ base: peer.url, repository, tag: 'hit', layer })
  await waitForTag(tarn, MIRRORED, 'hit')
  await relay.down()
  const send = await makeSender(machine, wrk)
  const taken: Record<'tarn' | 'peer', Measured[]> = { tarn: [], peer: [] }
  for (let round = 0; round <= rounds; round += 1) {
    for (const [at, { peer, repository }] of sides.entries()) {
      const path = `/v2/${repository}/manifests/hit`
      const load = { method: 'GET', path, accept: TYPES.image, connections: CONNECTIONS, seconds } as const
      const measured = await send(peer, load)
      // The first round warms both.
      if (round > 0) taken[at === 0 ? 'tarn' : 'peer'].push(measured)
      progress(
        `hit, upstream dead, ${peer.name}: ${measured.rate.toFixed(0)} requests/s, p50 ${measured.p50.toFixed(2)} ms`,
      )
    }
  }
  await relay.up()
  await tarn.stop()
  await cache.stop()
  const row = (name: string, unit: string, pick: (measured: Measured) => number): Row => ({
    name,
    unit,
    tarn: taken.tarn.map(pick),
    peer: taken.peer.map(pick),
  })
  return [
    row(HIT.replace(': p50', ''), 'requests/s', ({ rate }) => rate),
    row(HIT, 'ms', ({ p50 }) => p50),
    row(HIT.replace('p50', 'p99'), 'ms', ({ p99 }) => p99),
  ]
}
