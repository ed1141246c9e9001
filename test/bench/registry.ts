// Tarn against Debian's docker-registry (distribution 2.8.2) on this machine over loopback: manifests, HEAD,
// tags and large blobs, in rounds that alternate between the two. Every load stops by itself. About 10 GiB
// of the temporary directory are used and freed.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchContext, Requirement, Results, Row } from './helpers/bench.ts'
import type { Image, LargeFile } from './helpers/fixture.ts'
import { makeLargeFile, MANIFEST_TYPE, pushImage, REPOSITORY, TAGS } from './helpers/fixture.ts'
import type { Load, Measured, SendLoad } from './helpers/load.ts'
import { makeSender } from './helpers/load.ts'
import { readPeak, resetPeak } from './helpers/memory.ts'
import type { Pair, Peer } from './helpers/peers.ts'
import { startPairs } from './helpers/peers.ts'
import { provideTools } from './helpers/tools.ts'
import { fetchAtOnce, fetchBlob, pushBlob } from './helpers/transfer.ts'

const MIB = 1024 * 1024
const CONNECTIONS = 16
const STREAMS = 64
const WARM_SECONDS = 2

const DEFAULT_STREAM = '1 GiB blob over TLS, curl by default'
const HTTP11_STREAM = '1 GiB blob over TLS, curl --http1.1'

/** Measures everything; throws when a load was not answered as it must be. */
export async function measureRegistry(context: BenchContext): Promise<Results> {
  const { machine, progress, checkout } = context
  const tools = await provideTools(machine, progress)
  progress(`loads are sent by ${tools.wrk ?? 'the generator of the bench'}; HEAD always by the latter`)
  const { plain, secure } = await startPairs(machine, checkout)
  const pairs = [plain, secure]
  progress(`pushing an image under ${TAGS} tags to each`)
  const image = await pushImage(pairs.flatMap(({ tarn, peer }) => [tarn, peer]))
  const send = await makeSender(machine, tools.wrk)
  const rows: Row[] = []
  for (const pair of pairs) rows.push(...(await measureRequests(context, send, pair, image)))
  rows.push(...(await measureBlobs(context, plain, secure)))
  return { rows, requirements: requirementsOf(pairs) }
}

function requirementsOf(pairs: readonly Pair[]): Requirement[] {
  const manifests = pairs.flatMap(({ way }) =>
    ['tag', 'digest'].map((by) => ({
      name: `requests/s of manifests by ${by}, ${way}`,
      row: `manifest by ${by}, ${way}`,
      times: 10,
    })),
  )
  const stream = { name: 'one blob stream over TLS, against what curl gets by default', row: DEFAULT_STREAM, times: 1 }
  return [...manifests, stream]
}

async function measureRequests(context: BenchContext, send: SendLoad, pair: Pair, image: Image): Promise<Row[]> {
  const base = { connections: CONNECTIONS, seconds: context.seconds }
  const manifest = { ...base, method: 'GET', accept: MANIFEST_TYPE } as const
  const path = `/v2/${REPOSITORY}`
  const loads: readonly (readonly [name: string, load: Load, latency: boolean])[] = [
    ['manifest by tag', { ...manifest, path: `${path}/manifests/v7` }, true],
    ['manifest by digest', { ...manifest, path: `${path}/manifests/${image.manifest}` }, true],
    ['HEAD of a blob', { ...base, method: 'HEAD', path: `${path}/blobs/${image.layer}` }, false],
    [`tags/list of ${TAGS} tags`, { ...base, method: 'GET', path: `${path}/tags/list` }, false],
  ]
  const rows: Row[] = []
  for (const [short, load, latency] of loads) {
    const name = `${short}, ${pair.way}`
    for (const peer of [pair.tarn, pair.peer]) await send(peer, { ...load, seconds: WARM_SECONDS })
    const taken = await alternate(
      context,
      name,
      pair,
      (peer) => send(peer, load),
      ({ rate }) => `${rate.toFixed(0)} requests/s`,
    )
    const row = (label: string, unit: string, pick: (measured: Measured) => number): Row => ({
      name: label,
      unit,
      tarn: taken.tarn.map(pick),
      peer: taken.peer.map(pick),
    })
    rows.push(row(name, 'requests/s', ({ rate }) => rate))
    if (!latency) continue
    rows.push(
      row(`${name}: p50`, 'ms', ({ p50 }) => p50),
      row(`${name}: p99`, 'ms', ({ p99 }) => p99),
    )
  }
  return rows
}

async function measureBlobs(context: BenchContext, plain: Pair, secure: Pair): Promise<Row[]> {
  const { machine, rounds } = context
  const folder = await machine.scratch('bench-files')
  const large = await makeLargeFile(join(folder, 'large'), 1024 * MIB)
  const rows: Row[] = []

  const pushPeak = await alternate(
    { ...context, rounds: 1 },
    '1 GiB push: peak memory',
    secure,
    (peer) => peakOf(peer, () => pushBlob(machine, peer, large)),
    showPeak,
  )
  for (const http11 of [false, true]) {
    const name = http11 ? HTTP11_STREAM : DEFAULT_STREAM
    // Once beforehand: a blob that was never served may have to be read from the disk.
    for (const peer of [secure.tarn, secure.peer]) await fetchBlob(machine, peer, large, http11)
    const act = (peer: Peer) => fetchBlob(machine, peer, large, http11)
    const taken = await alternate(
      context,
      name,
      secure,
      act,
      ({ rate, version }) => `${rate.toFixed(0)} MB/s, HTTP/${version}`,
    )
    rows.push({ name, unit: 'MB/s', tarn: taken.tarn.map(rateOf), peer: taken.peer.map(rateOf) })
  }
  await rm(large.path)

  const name = '512 MiB push over TLS'
  const files: LargeFile[] = []
  for (let round = 0; round < rounds; round += 1) files.push(await makeLargeFile(join(folder, `${round}`), 512 * MIB))
  const act = (peer: Peer, round: number) => pushBlob(machine, peer, files[round] as LargeFile)
  const pushed = await alternate(
    context,
    name,
    secure,
    act,
    ({ rate, version }) => `${rate.toFixed(0)} MB/s, HTTP/${version}`,
  )
  rows.push({ name, unit: 'MB/s', tarn: pushed.tarn.map(rateOf), peer: pushed.peer.map(rateOf) })

  const [shared] = files as [LargeFile]
  for (const peer of [plain.tarn, plain.peer]) await pushBlob(machine, peer, shared)
  const streams = `${STREAMS} streams of 512 MiB at once, plain`
  const fetchMany = (peer: Peer) =>
    peakOf(peer, async () => ({ rate: await fetchAtOnce(machine, peer, shared, STREAMS) }))
  const many = await alternate({ ...context, rounds: 1 }, streams, plain, fetchMany, showPeak)
  rows.push({ name: streams, unit: 'MB/s', tarn: many.tarn.map(rateOf), peer: many.peer.map(rateOf) })
  rows.push({ name: `${streams}: peak memory`, unit: 'MiB', tarn: many.tarn.map(peakIn), peer: many.peer.map(peakIn) })
  rows.push({
    name: '1 GiB push over TLS: peak memory',
    unit: 'MiB',
    tarn: pushPeak.tarn.map(peakIn),
    peer: pushPeak.peer.map(peakIn),
  })
  return rows
}

/** Tarn, peer, Tarn, peer, …: what else the machine does then hits both alike. */
async function alternate<T>(
  { rounds, progress }: Pick<BenchContext, 'rounds' | 'progress'>,
  name: string,
  pair: Pair,
  act: (peer: Peer, round: number) => Promise<T>,
  show: (value: T) => string,
): Promise<{ tarn: T[]; peer: T[] }> {
  const taken: { tarn: T[]; peer: T[] } = { tarn: [], peer: [] }
  for (let round = 0; round < rounds; round += 1) {
    const tarn = await act(pair.tarn, round)
    const peer = await act(pair.peer, round)
    taken.tarn.push(tarn)
    taken.peer.push(peer)
    progress(`${name}: ${pair.tarn.name} ${show(tarn)}; ${pair.peer.name} ${show(peer)}`)
  }
  return taken
}

interface Rated {
  readonly rate: number
}

async function peakOf(peer: Peer, act: () => Promise<Rated>): Promise<Rated & { readonly peak: number }> {
  await resetPeak(peer.pid)
  const { rate } = await act()
  return { rate, peak: await readPeak(peer.pid) }
}

const rateOf = ({ rate }: Rated): number => rate
const peakIn = ({ peak }: { readonly peak: number }): number => peak
const showPeak = ({ rate, peak }: Rated & { readonly peak: number }): string =>
  `${rate.toFixed(0)} MB/s, at most ${peak.toFixed(0)} MiB`
