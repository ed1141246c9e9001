// Collection of a large mirror while it is being pulled from: 200,000 blobs in 20,000 repositories. Pulls with and without
// a collection running take turns, so that whatever else the machine does hits both alike. docker-registry can only
// collect while nothing is written: its time and memory are those of its dry run on the same directory. About 5 GiB
// and 1.2 million files of the temporary directory are used and freed. TARN_BENCH_PACED leaves out the pulls without
// pause, which take most of the time and have no bound.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { collect } from '../e2e/collect/collections.ts'
import type { CollectingServer } from '../e2e/collect/serve.ts'
import { serveCollecting, writeConfig } from '../e2e/collect/serve.ts'
import type { E2EContext } from '../e2e/helpers/suite.ts'
import { measureCommand } from './collect/command.ts'
import { BLOBS_A_REPOSITORY, plantMirror, untag } from './collect/plant.ts'
import type { PullTask, PullTimes } from './collect/pull-worker.ts'
import type { BenchContext, Results, Row } from './helpers/bench.ts'
import { readPeak, resetPeak } from './helpers/memory.ts'

const BLOBS = 200_000
// Repositories that are pulled from; they keep their tags.
const HOT = 300
const CONNECTIONS = 8
// About a tenth of what the server can do on two cores.
const PACE = 300
/** Images that lose their tag before each collection. */
const UNTAGGED = 100
const LEASE_MS = 1000
const DAY_MS = 86_400_000
const WARM_MS = 5000
// As long as a collection takes beside pulls at the pace, so that both have as many slow ones to look at.
const QUIET_MS = 30_000

/** Measures all of it; throws when a pull goes wrong or a collection does not take what it should. */
export async function measureCollection(context: BenchContext): Promise<Results> {
  const { machine, progress, rounds } = context
  const data = join(await machine.scratch('bench-collect'), 'data')
  await mkdir(data)
  const count = Number(process.env['TARN_BENCH_BLOBS'] ?? BLOBS)
  const planted = plantMirror(data, Math.floor(count / BLOBS_A_REPOSITORY), progress)
  const [hot, cold] = [planted.slice(0, HOT), planted.slice(HOT)]
  const server = await serveCollecting(asSuite(context), data, { lease: LEASE_MS, grace: DAY_MS })
  const rows: Row[] = []
  const seconds: number[] = []
  const peaks: number[] = []
  const paces = process.env['TARN_BENCH_PACED'] === undefined ? [PACE, undefined] : [PACE]
  for (const pace of paces) {
    const puller = await startPuller({ origin: server.origin, repositories: hot, connections: CONNECTIONS, pace })
    await sleep(WARM_MS)
    const quiet: Figures[] = []
    const busy: Figures[] = []
    for (let round = 0; round < rounds; round++) {
      quiet.push(await puller.during(() => sleep(QUIET_MS)))
      for (const each of cold.splice(0, UNTAGGED)) untag(data, each)
      await sleep(2 * LEASE_MS)
      await resetPeak(server.service.pid)
      busy.push(await puller.during(async () => void seconds.push(await collectOnce(server))))
      peaks.push(await readPeak(server.service.pid))
      progress(
        `round ${round + 1}, ${nameOf(pace)}: ${show(quiet.at(-1))} quiet, ${show(busy.at(-1))} in ${seconds.at(-1)?.toFixed(1)} s of collecting`,
      )
    }
    await puller.stop()
    rows.push(...drawPulls(nameOf(pace), quiet, busy))
  }
  await server.stop()

  progress('docker-registry garbage-collect --dry-run')
  const configFile = await writeConfig(asSuite(context), data, { lease: LEASE_MS, grace: DAY_MS })
  const peer = await measureCommand(machine, 'docker-registry', ['garbage-collect', '--dry-run', configFile])
  const what = `${count} blobs in ${planted.length} repositories`
  rows.push({ name: `collection of ${what}`, unit: 's', tarn: seconds, peer: [peer.seconds] })
  rows.push({ name: 'peak memory meanwhile', unit: 'MiB', tarn: peaks, peer: [peer.peak] })
  const paced = nameOf(PACE)
  return {
    rows,
    requirements: [
      {
        name: 'p99 of pulls is at most 10 % longer while a collection runs (quiet against collecting)',
        row: `${paced}: p99, quiet`,
        against: { row: `${paced}: p99, collecting` },
        times: 1 / 1.1,
      },
    ],
  }
}

interface Figures {
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

const nameOf = (pace: number | undefined): string => (pace === undefined ? 'pulls without pause' : `${pace} pulls/s`)
const show = (figures: Figures | undefined): string =>
  `p99 ${figures?.p99.toFixed(1)} ms at ${figures?.rate.toFixed(0)}/s`
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function drawPulls(name: string, quiet: readonly Figures[], busy: readonly Figures[]): Row[] {
  const row = (label: string, unit: string, figures: readonly Figures[], pick: (each: Figures) => number): Row => ({
    name: `${name}: ${label}`,
    unit,
    tarn: figures.map(pick),
    peer: [],
  })
  return [
    row('quiet', 'pulls/s', quiet, ({ rate }) => rate),
    row('collecting', 'pulls/s', busy, ({ rate }) => rate),
    row('p50, quiet', 'ms', quiet, ({ p50 }) => p50),
    row('p50, collecting', 'ms', busy, ({ p50 }) => p50),
    row('p99, quiet', 'ms', quiet, ({ p99 }) => p99),
    row('p99, collecting', 'ms', busy, ({ p99 }) => p99),
  ]
}

async function collectOnce({ socket }: CollectingServer): Promise<number> {
  const report = await collect(socket, { untagged: true })
  const { manifests, blobs } = report
  if (!report.complete || manifests.removed !== UNTAGGED || blobs.trashed !== UNTAGGED * BLOBS_A_REPOSITORY) {
    throw new Error(`a collection took ${manifests.removed} manifests and ${blobs.trashed} blobs`)
  }
  return report.seconds
}

interface Puller {
  /** Takes the figures of what is pulled while `act` runs. */
  during(act: () => Promise<void>): Promise<Figures>
  stop(): Promise<void>
}

async function startPuller(task: PullTask): Promise<Puller> {
  const worker = new Worker(new URL('collect/pull-worker.ts', import.meta.url), { workerData: task })
  const broken = new Promise<never>((_resolve, reject) => worker.once('error', reject))
  broken.catch(() => undefined)
  return {
    async during(act) {
      worker.postMessage('begin')
      await Promise.race([act(), broken])
      const answer = new Promise<PullTimes>((resolve) => worker.once('message', resolve))
      worker.postMessage('end')
      const { times, seconds } = await Promise.race([answer, broken])
      const sorted = times.toSorted()
      const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
      return { rate: sorted.length / seconds, p50: at(0.5), p99: at(0.99) }
    },
    async stop() {
      await worker.terminate()
    },
  }
}

// What the starting of a server takes of a suite's surroundings.
function asSuite({ checkout, machine, progress }: BenchContext): E2EContext {
  const unused = (): never => {
    throw new Error('a bench starts its servers by itself')
  }
  return { checkout, machine, progress, node: process.execPath, startTarn: unused, goTool: unused }
}
