// What a collection keeps equals what brute force computes, link for link and blob for blob, on directories that
// docker-registry 2.8.2 wrote; and where nothing is broken, docker-registry's own collector then finds nothing to take
// but what it always gets wrong: blobs that a manifest names by a sha512 alias.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeRandom } from '../durability/random.ts'
import { collectDry } from '../exchange/collect.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Expected } from './brute-force.ts'
import { expectLeft } from './brute-force.ts'
import type { Report } from './collections.ts'
import { damage, writeDirectory } from './directories.ts'
import { writeConfig } from './serve.ts'
import type { RepositoryTree, Tree } from './tree.ts'
import { readTree } from './tree.ts'

export interface Totals {
  directories: number
  blobs: number
  taken: number
  links: number
  broken: number
  aliases: number
}

/** Adds one row for each directory; gives what they held together. */
export async function checkEquals(
  context: E2EContext,
  recorder: Recorder,
  count: number,
  seed: string,
): Promise<Totals> {
  const totals = { directories: 0, blobs: 0, taken: 0, links: 0, broken: 0, aliases: 0 }
  for (let at = 0; at < count; at++) {
    const [untagged, isDamaged, empties] = [at % 2 === 1, at % 4 >= 2, at % 5 === 0]
    const kind = `${isDamaged ? 'damaged' : 'whole'}${untagged ? ', --untagged' : ''}`
    await recorder.check(
      `docker-registry's directory ${at} (${kind}): what is kept equals brute force (seed ${seed})`,
      () => checkDirectory(context, `${seed} ${at}`, { untagged, isDamaged, empties }, totals),
    )
  }
  return totals
}

interface Kind {
  /** Collects untagged manifests too. */
  readonly untagged: boolean
  readonly isDamaged: boolean
  /** Empties the trash as well; not everywhere, for the time it takes. */
  readonly empties: boolean
}

async function checkDirectory(
  context: E2EContext,
  seed: string,
  { untagged, isDamaged, empties }: Kind,
  totals: Totals,
): Promise<void> {
  const { machine } = context
  const data = join(await machine.scratch('directory'), 'data')
  await mkdir(data)
  const configFile = await writeConfig(context, data, { lease: 86_400_000, grace: 86_400_000 })
  const random = makeRandom(seed)
  await writeDirectory(context, data, configFile, random)
  const harms = isDamaged ? damage(data, random) : []
  const before = readTree(data)
  const expected = expectLeft(data, before, untagged)

  const flags = ['--older-than', '0s', ...(untagged ? ['--untagged'] : [])]
  const foreseen = await runGc(context, configFile, [...flags, '--dry-run'])
  compare(readTree(data), { ...before, aliases: new Set(), broken: new Set() }, 'after a dry run', harms)
  const report = await runGc(context, configFile, flags)
  const after = readTree(data)
  compare(after, expected, 'after the collection', harms)
  const gone = [...before.blobs].filter((digest) => !expected.blobs.has(digest))
  const lost = gone.filter((digest) => !after.trashed.has(digest))
  if (lost.length > 0) throw new Error(`not in the trash: ${lost.join(', ')}`)
  compareReports(foreseen, report, gone.length)
  if (empties) {
    const deleted = await runGc(context, configFile, [...flags, '--grace', '0s'])
    if (deleted.blobs.deleted !== gone.length || readTree(data).trashed.size > 0)
      throw new Error(`${deleted.blobs.deleted} of ${gone.length} blobs were deleted from the trash`)
    compare(readTree(data), expected, 'after the trash was emptied', harms)
  }
  if (harms.length === 0) await compareWithPeer(context, configFile, expected)

  totals.directories++
  totals.blobs += before.blobs.size
  totals.taken += gone.length
  totals.links += report.links.removed
  totals.broken += expected.broken.size
  totals.aliases += expected.aliases.size
}

async function runGc(
  { machine, node, checkout }: E2EContext,
  configFile: string,
  flags: readonly string[],
): Promise<Report> {
  const args = [join(checkout, 'src/main.ts'), '--json', 'gc', '--config', configFile, ...flags]
  return JSON.parse((await machine.run(node, args)).text) as Report
}

// A dry run of what the trash holds cannot tell what will be deleted from it later; all else must be the same.
function compareReports(foreseen: Report, real: Report, gone: number): void {
  const pick = ({ repositories, manifests, links, blobs, problems, complete }: Report): string =>
    JSON.stringify({ repositories, manifests, links, blobs, problems, complete })
  if (pick(foreseen) !== pick(real)) throw new Error(`the dry run foresaw ${pick(foreseen)}, there was ${pick(real)}`)
  if (real.blobs.trashed !== gone)
    throw new Error(`${real.blobs.trashed} blobs trashed by the report, ${gone} on the disk`)
}

function compare(found: Tree, expected: Expected, when: string, harms: readonly string[]): void {
  const faults = differ('blob', found.blobs, expected.blobs)
  const names = new Set([...found.repositories.keys(), ...expected.repositories.keys()])
  for (const name of names) {
    const [left, wanted] = [found.repositories.get(name), expected.repositories.get(name)].map(listParts)
    faults.push(...differ(`in ${name}:`, left ?? new Set(), wanted ?? new Set()))
  }
  if (faults.length === 0) return
  const about = harms.length === 0 ? '' : ` (${harms.join(', ')})`
  throw new Error(`${when}${about}, ${faults.length} differences: ${faults.slice(0, 10).join('; ')}`)
}

function listParts(repository: RepositoryTree | undefined): Set<string> {
  if (repository === undefined) return new Set()
  const { layers, revisions, tags, history, uploads, strays } = repository
  const parts = [
    ...[...layers].map(([digest, text]) => `layer ${digest} ${text}`),
    ...[...revisions].map(([digest, text]) => `revision ${digest} ${text}`),
    ...[...tags].filter(([, text]) => text !== undefined).map(([tag, text]) => `tag ${tag} ${text}`),
    ...[...history].map((entry) => `history ${entry}`),
    ...(uploads > 0 ? [`${uploads} uploads`] : []),
  ]
  // What holds nothing goes altogether, unless somebody has put something there.
  return new Set(parts.length > 0 || strays > 0 ? parts : ['an empty repository'])
}

function differ(what: string, found: ReadonlySet<string>, expected: ReadonlySet<string>): string[] {
  return [
    ...[...found].filter((each) => !expected.has(each)).map((each) => `${what} ${each} was kept`),
    ...[...expected].filter((each) => !found.has(each)).map((each) => `${what} ${each} was taken`),
  ]
}

async function compareWithPeer({ machine }: E2EContext, configFile: string, { aliases }: Expected): Promise<void> {
  const { blobs, manifests } = await collectDry(machine, 'docker-registry', configFile, false)
  const faults = [...differ('blob', blobs, aliases), ...differ('manifest', manifests, new Set())]
  if (faults.length > 0) throw new Error(`docker-registry would take other things than aliases: ${faults.join('; ')}`)
}
