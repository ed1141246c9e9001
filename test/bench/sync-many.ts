// What a sync of very many images takes of memory and time: as many manifests as a large registry has, and hardly a byte
// behind each. The registry that syncs is fresh; the upstream is a docker-registry.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../e2e/helpers/docker-registry.ts'
import { makeTarnProgram, startRegistry } from '../e2e/helpers/tarn.ts'
import { plantImages } from '../e2e/sync/plant-images.ts'
import type { BenchContext, Results } from './helpers/bench.ts'
import { readPeak, resetPeak } from './helpers/memory.ts'

const IMAGES = Number(process.env['TARN_BENCH_SYNC_MANY'] ?? 10_000)
const REPOSITORIES = 100
const BYTES_OF_EACH = 4096
/** MiB; about a third of it is there before the first image. */
const MOST_MEMORY = 512
const UP = 'up.test'
const QUIET = { log: { level: 'info', accesslog: { disabled: true } } }

const WHAT = `${IMAGES} images of a few kB`
const FIRST = `${WHAT}: whole time`
const PEAK = `${WHAT}: peak memory of the registry`
const SECOND = `${WHAT}: a second run`
const SECOND_PEAK = `${WHAT}: peak memory of the registry in a second run`

interface Report {
  readonly counts: Readonly<Record<string, number>>
}

export async function measureManyImages(context: BenchContext): Promise<Results> {
  const { machine, progress, checkout } = context
  const folder = await machine.scratch('bench-sync-many')
  const plan = { images: IMAGES, repositories: REPOSITORIES, layers: 2, shared: 0.5, bytes: IMAGES * BYTES_OF_EACH }
  await plantImages({ data: join(folder, 'up'), ...plan })
  progress(`${IMAGES} images are laid out`)
  const upstream = await startRegistry(machine, makeDockerRegistryProgram(), {
    data: join(folder, 'up'),
    config: QUIET,
  })
  const tarn = await startRegistry(machine, makeTarnProgram(checkout, process.execPath), { config: QUIET })
  const file = join(folder, 's.yml')
  const registry = `${UP}: {insecure: true, url: ["${upstream.url}"]}`
  await writeFile(file, `version: 1\nregistries: {${registry}}\nsync:\n  - {from: ${UP}, to: lab}\n`)
  const sync = async (result: string): Promise<{ seconds: number; peak: number }> => {
    await resetPeak(tarn.service.pid)
    const began = performance.now()
    const args = [join(checkout, 'src/main.ts'), '--json', '--quiet', 'sync', file, '--config', tarn.configFile]
    const { text } = await machine.run(process.execPath, args, { timeout: 3_600_000 })
    const seconds = (performance.now() - began) / 1000
    const peak = await readPeak(tarn.service.pid)
    const { counts } = JSON.parse(text) as Report
    if (counts[result] !== IMAGES) throw new Error(`${counts[result]} images ${result}`)
    progress(`${result}: ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MiB`)
    return { seconds, peak }
  }
  const first = await sync('copied')
  const second = await sync('here')
  return {
    rows: [
      { name: FIRST, unit: 's', tarn: [first.seconds], peer: [] },
      { name: PEAK, unit: 'MiB', tarn: [first.peak], peer: [] },
      { name: SECOND, unit: 's', tarn: [second.seconds], peer: [] },
      { name: SECOND_PEAK, unit: 'MiB', tarn: [second.peak], peer: [] },
    ],
    requirements: [
      { name: 'peak memory', row: PEAK, most: MOST_MEMORY },
      { name: 'peak memory of a second run', row: SECOND_PEAK, most: MOST_MEMORY },
    ],
  }
}
