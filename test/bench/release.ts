// A release of OpenShift into Tarn: `tarn release mirror` beside `skopeo sync` of the same repositories, upstream (a Tarn,
// since it gives bytes faster than docker-registry) on loopback. By default a tenth of the real size; the real one, 190
// components and 10 GB, by TARN_BENCH_LAYER_BYTES=53000000. Twice that much of the temporary directory is used and freed.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeTarnProgram, startRegistry } from '../e2e/helpers/tarn.ts'
import type { Tarn } from '../e2e/helpers/tarn.ts'
import { buildRelease } from '../fixtures/release.ts'
import type { FixtureRelease } from '../fixtures/release.ts'
import { pushImages } from '../fixtures/release-push.ts'
import type { BenchContext, Results, Row } from './helpers/bench.ts'
import { readPeak, resetPeak } from './helpers/memory.ts'

const COMPONENTS = Number(process.env['TARN_BENCH_COMPONENTS'] ?? 190)
const LAYER_BYTES = Number(process.env['TARN_BENCH_LAYER_BYTES'] ?? 5_300_000)

const SPEED = `a release of ${COMPONENTS} components mirrored (beside: skopeo sync into Tarn)`
const MEMORY = `a release of ${COMPONENTS} components: peak memory of the registry`

export async function measureRelease(context: BenchContext): Promise<Results> {
  const { machine, checkout, progress } = context
  const program = makeTarnProgram(checkout, process.execPath)
  const directory = await machine.scratch('bench-release')
  const upstream = await startRegistry(machine, program)
  const release = await buildRelease({
    version: '4.18.3',
    host: upstream.address,
    components: COMPONENTS,
    layerBytes: LAYER_BYTES,
    directory,
  })
  // skopeo sync finds images by their tags.
  const placed = release.placed.map((each, index) => (each.tags.length > 0 ? each : { ...each, tags: [`c${index}`] }))
  await pushImages(placed, { url: upstream.url, atOnce: 8 })
  await rm(directory, { recursive: true })
  const gigabytes = release.bytes / 1e9
  progress(`${COMPONENTS} components, ${gigabytes.toFixed(2)} GB, are at ${upstream.url}`)
  const rounds = []
  for (let round = 0; round < context.rounds; round += 1) {
    const skopeo = await bySkopeo(context, upstream, release)
    const tarn = await byTarn(context, upstream, release)
    progress(
      `skopeo sync ${skopeo.toFixed(1)} s, tarn release mirror ${tarn.seconds.toFixed(1)} s, peak ${tarn.peak.toFixed(0)} MiB`,
    )
    rounds.push({ skopeo, ...tarn })
  }
  const speed = (seconds: number): number => release.bytes / 1e6 / seconds
  const rows: Row[] = [
    {
      name: SPEED,
      unit: 'MB/s',
      tarn: rounds.map(({ seconds }) => speed(seconds)),
      peer: rounds.map(({ skopeo }) => speed(skopeo)),
    },
    { name: MEMORY, unit: 'MiB', tarn: rounds.map(({ peak }) => peak), peer: [] },
  ]
  return {
    rows,
    requirements: [
      { name: `${SPEED}, skopeo sync = 1`, row: SPEED, times: 2 },
      { name: MEMORY, row: MEMORY, most: 300 },
    ],
  }
}

async function bySkopeo({ machine, checkout }: BenchContext, upstream: Tarn, release: FixtureRelease): Promise<number> {
  const tarn = await startRegistry(machine, makeTarnProgram(checkout, process.execPath))
  const started = performance.now()
  for (const repository of [release.componentRepository, release.releaseRepository]) {
    const [from, to] = [`${upstream.address}/${repository}`, `${tarn.address}/${repository.split('/')[0]}`]
    await machine.run(
      'skopeo',
      [
        'sync',
        '--all',
        '--src',
        'docker',
        '--dest',
        'docker',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        from,
        to,
      ],
      { timeout: 3_600_000 },
    )
  }
  const seconds = (performance.now() - started) / 1000
  await tarn.stop()
  await rm(tarn.data, { recursive: true })
  return seconds
}

async function byTarn(
  { machine, checkout }: BenchContext,
  upstream: Tarn,
  release: FixtureRelease,
): Promise<{ seconds: number; peak: number }> {
  const tarn = await startRegistry(machine, makeTarnProgram(checkout, process.execPath))
  await resetPeak(tarn.service.pid)
  const started = performance.now()
  const args = ['release', 'mirror', '--plain-http', upstream.address, release.reference, 'ocp4/openshift4']
  await machine.run(process.execPath, [join(checkout, 'src', 'main.ts'), ...args, '--config', tarn.configFile], {
    timeout: 3_600_000,
  })
  const seconds = (performance.now() - started) / 1000
  const peak = await readPeak(tarn.service.pid)
  await tarn.stop()
  await rm(tarn.data, { recursive: true })
  return { seconds, peak }
}
