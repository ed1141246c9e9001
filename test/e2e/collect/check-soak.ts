// The rows of the soak: what its clients complained of, how much was done, and what the directory holds when all leases
// are over: everything that is owed, whole, and nothing else.
import { scrub } from '../durability/scrub.ts'
import { collectDry } from '../exchange/collect.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { collect } from './collections.ts'
import { Findings } from './findings.ts'
import { owedBlobs } from './promised.ts'
import { pullAll } from './reads.ts'
import { writeConfig } from './serve.ts'
import type { Soaked } from './soak.ts'
import { CLIENTS, LEASE_MS, GRACE_MS, describe, soak } from './soak.ts'
import { readTree } from './tree.ts'

// 50,000 acts and 1,000 collections in ten minutes or more. A short run on a busy machine proves something with a quarter.
const LONG_SECONDS = 600
const ACTS_A_SECOND = 50_000 / LONG_SECONDS
const COLLECTIONS_A_SECOND = 1000 / LONG_SECONDS

/** Adds the rows; gives the line of figures. */
export async function checkSoak(
  context: E2EContext,
  recorder: Recorder,
  seconds: number,
  seed: string,
): Promise<string | undefined> {
  let soaked: Soaked | undefined
  await recorder.check(
    `soak: ${seconds} s of ${CLIENTS} clients and a porter, leases of ${LEASE_MS} ms, collections without pause: no promise is broken (seed ${seed})`,
    async () => {
      soaked = await soak(context, seconds, seed)
      fail(soaked.findings.complaints)
    },
  )
  if (soaked === undefined) return undefined
  const { server, repositories, findings, collections, desk, data } = soaked
  const figures = describe(soaked.seconds, findings, collections)
  const acts = findings.total
  await recorder.check(`soak: enough happened: ${acts} acts, ${collections.count} collections`, async () => {
    const counted = seconds < LONG_SECONDS ? seconds / 4 : LONG_SECONDS
    if (acts < ACTS_A_SECOND * counted) throw new Error(`only ${acts} acts in ${seconds} s`)
    if (collections.count < COLLECTIONS_A_SECOND * counted) throw new Error(`only ${collections.count} collections`)
    const { trashed, deleted, removedManifests, removedRepositories } = collections
    // That a collection has to give something back is a coincidence which an hour may do without: leases keep most, and who
    // reads from the trash restores by that. The mutant "no restore" shows that it is seen.
    const idle = Object.entries({ trashed, deleted, removedManifests, removedRepositories })
    fail(idle.filter(([, number]) => number === 0).map(([what]) => `nothing was ${what}`))
  })
  await recorder.check('soak: afterwards every image that is owed is pulled whole', async () => {
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS))
    const report = await collect(server.socket, { untagged: true, grace: '0s' })
    if (!report.complete || report.problems.length > 0) throw new Error(JSON.stringify(report.problems))
    for (const repository of repositories) await repository.change(async () => repository.forgetAllLoose())
    const after = new Findings()
    for (const repository of repositories) await pullAll({ ...desk, findings: after }, repository)
    desk.client.close()
    await server.stop()
    fail(after.complaints)
    if (after.total === 0) throw new Error('nothing was owed')
  })
  await recorder.check('soak: the directory holds what is owed and nothing else', async () => {
    const { problems } = await scrub(data)
    fail(problems)
    const { blobs, trashed } = readTree(data)
    const owed = owedBlobs(repositories)
    fail([
      ...[...owed].filter((digest) => !blobs.has(digest)).map((digest) => `${digest} is missing`),
      ...[...blobs].filter((digest) => !owed.has(digest)).map((digest) => `${digest} is left over`),
      ...[...trashed].map((digest) => `${digest} is still in the trash`),
    ])
  })
  await recorder.check("soak: docker-registry's own collector finds nothing to take", async () => {
    const configFile = await writeConfig(context, data, { lease: LEASE_MS, grace: GRACE_MS })
    const { blobs, manifests, summary } = await collectDry(context.machine, 'docker-registry', configFile, false)
    fail([...blobs, ...manifests].map((digest) => `it would take ${digest}`))
    context.progress(`docker-registry garbage-collect: ${summary}`)
  })
  return figures
}

function fail(reasons: readonly string[]): void {
  if (reasons.length > 0) throw new Error(`${reasons.length} problems: ${reasons.slice(0, 10).join('; ')}`)
}
