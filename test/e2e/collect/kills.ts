// kill -9 at every system call by which a collection or a repair changes the directory: afterwards nothing that was owed
// is lost, and a plain next run ends the work in the state that an undisturbed run leaves. In CI as many of the points as
// a minute and a half allow, spread over all; TARN_E2E_KILL_POINTS=all takes each.
import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { cp, mkdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { blobFile, layerLink, revisionLink, tagFolder } from './files.ts'
import type { Command } from './kill-points.ts'
import { findKillPoints, runUntilKilled } from './kill-points.ts'
import { writeConfig } from './serve.ts'
import type { Owed } from './spoiled.ts'
import { makeCollectable, makeRepairable } from './spoiled.ts'

interface Case {
  readonly name: string
  /** Fills `data`; `source` is an empty directory beside it. */
  prepare(data: string, source: string): Owed[]
  /** The program below the checkout and its words; `--config` comes after them. */
  words(source: string): readonly string[]
  /** Exit codes of a run that ends by itself; 4: something is wrong and not repaired. */
  readonly codes: readonly number[]
  /** Whether all that is owed can be pulled all the time, or was broken before. */
  readonly isWhole: boolean
}

const CASES: readonly Case[] = [
  {
    name: 'collection',
    prepare: (data) => makeCollectable(data),
    words: () => ['src/main.ts', 'gc', '--untagged', '--older-than', '0s', '--grace', '0s'],
    codes: [0],
    isWhole: true,
  },
  {
    name: 'repair',
    prepare: makeRepairable,
    words: (source) => ['test/e2e/collect/tarn-later.ts', 'check', '--repair', '--from', source],
    codes: [0, 4],
    isWhole: false,
  },
]

// Two at a time: a run waits for the disk and for strace more than it computes.
const AT_ONCE = 2

/** Adds two rows for each command. `budget` in milliseconds bounds the points of one; Infinity takes all. */
export async function checkKillPoints(context: E2EContext, recorder: Recorder, budget: number): Promise<void> {
  for (const each of CASES) {
    let kills: Kills = { points: 0, chosen: 0, killed: 0 }
    await recorder.check(
      `kill -9 at the system calls of a ${each.name}: nothing is lost, the next run ends the work`,
      async () => {
        kills = await killEverywhere(context, each, budget)
      },
    )
    const { killed, chosen, points } = kills
    await recorder.check(`kill -9 of a ${each.name}: ${killed} times, at ${chosen} of ${points} points`, async () => {
      // A point can have gone: what a cache or a log writes differs from run to run.
      if (killed === 0 || killed < chosen * 0.8) throw new Error('too few were hit to prove anything')
    })
  }
}

interface Kills {
  /** System calls that change the directory. */
  readonly points: number
  readonly chosen: number
  readonly killed: number
}

async function killEverywhere(context: E2EContext, each: Case, budget: number): Promise<Kills> {
  const { machine } = context
  // strace knows files by their real paths.
  const folder = await realpath(await machine.scratch('kill-points'))
  const [pristine, source] = [join(folder, 'pristine'), join(folder, 'source')]
  await mkdir(pristine)
  await mkdir(source)
  const owed = each.prepare(pristine, source)
  const copies = treasure(pristine, owed)

  // The paths are a part of the kill points.
  const lane = async (at: number): Promise<Lane> => {
    const data = join(folder, `lane${at}`)
    const configFile = await writeConfig(context, data, { lease: 86_400_000, grace: 86_400_000 })
    const [program = '', ...words] = each.words(source)
    const command = { program: context.node, args: [join(context.checkout, program), ...words, '--config', configFile] }
    return { data, command }
  }
  const first = await lane(0)
  await renew(pristine, first.data)
  const began = performance.now()
  await machine.run(first.command.program, first.command.args, { codes: each.codes })
  const wanted = snapshot(first.data)
  const problems = missing(first.data, owed, 'whole')
  if (problems.length > 0) throw new Error(`undisturbed: ${problems.join('; ')}`)
  await renew(pristine, first.data)
  const points = await findKillPoints(machine, first.command, first.data, each.codes)
  compareSnapshots(snapshot(first.data), wanted, 'undisturbed a second time')
  // What three runs took is about what one point takes.
  const most = Math.max(1, Math.floor((budget * AT_ONCE) / (performance.now() - began)))
  const step = Math.max(1, points.length / most)
  const chosen = points.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step))
  context.progress(`kill -9 of a ${each.name}: ${chosen.length} of ${points.length} points`)

  let killed = 0
  const queue = chosen.values()
  const work = async ({ data, command }: Lane, own: string): Promise<void> => {
    for (const point of queue) {
      const here = { ...point, words: point.words.map((word) => word.replace(first.data, data)) }
      await renew(pristine, data)
      if ((await runUntilKilled(machine, command, here, each.codes)) === 'survived') continue
      killed++
      const lost = each.isWhole ? missing(data, owed, 'reachable') : []
      lost.push(...[...copies].filter((digest) => !treasure(data, owed).has(digest)))
      if (lost.length > 0) throw new Error(`killed at ${point.name}: ${lost.slice(0, 5).join('; ')}`)
      await machine.run(command.program, command.args, { codes: each.codes })
      const still = missing(data, owed, 'whole')
      if (still.length > 0) throw new Error(`killed at ${point.name}, run again: ${still.slice(0, 5).join('; ')}`)
      compareSnapshots(snapshot(data), wanted, `killed at ${point.name}, run again (${own})`)
    }
  }
  const lanes = await Promise.all(Array.from({ length: AT_ONCE - 1 }, (_, at) => lane(at + 1)))
  await Promise.all([first, ...lanes].map((each, at) => work(each, `lane ${at}`)))
  return { points: points.length, chosen: chosen.length, killed }
}

interface Lane {
  readonly data: string
  readonly command: Command
}

async function renew(pristine: string, data: string): Promise<void> {
  await rm(data, { recursive: true, force: true })
  await cp(pristine, data, { recursive: true })
}

/** What of the owed images cannot be had; `reachable` counts what lies in the trash, from where reading gives it back. */
function missing(data: string, owed: readonly Owed[], how: 'whole' | 'reachable'): string[] {
  const problems: string[] = []
  const need = (path: string, text: string): void => {
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) problems.push(`${path} does not hold ${text}`)
  }
  for (const { repository, image, tag } of owed) {
    need(revisionLink(data, repository, image.digest), image.digest)
    if (tag !== undefined) need(join(tagFolder(data, repository, tag), 'current/link'), image.digest)
    for (const { digest } of image.blobs) need(layerLink(data, repository, digest), digest)
    for (const digest of [image.digest, ...image.blobs.map((blob) => blob.digest)]) {
      const places = how === 'whole' ? (['data'] as const) : (['data', 'trashed'] as const)
      if (!places.some((place) => hashOf(blobFile(data, digest, place)) === digest)) problems.push(`${digest} is lost`)
    }
  }
  return problems
}

/** The digests that are owed and of which there is a good copy somewhere: as a blob, in the trash, in the quarantine. */
function treasure(data: string, owed: readonly Owed[]): Set<string> {
  const quarantine = join(data, '.tarn/quarantine')
  const aside = existsSync(quarantine) ? readdirSync(quarantine).map((name) => hashOf(join(quarantine, name))) : []
  const digests = owed.flatMap(({ image }) => [image.digest, ...image.blobs.map((blob) => blob.digest)])
  return new Set(
    digests.filter(
      (digest) =>
        hashOf(blobFile(data, digest)) === digest ||
        hashOf(blobFile(data, digest, 'trashed')) === digest ||
        aside.includes(digest),
    ),
  )
}

function hashOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  return `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`
}

/** Every directory and file of the registry with its content; of Tarn's own only what it set aside and did not finish. */
function snapshot(data: string): Set<string> {
  const found = new Set<string>()
  for (const entry of readdirSync(join(data, 'docker'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const shown = path.slice(data.length + 1)
    if (entry.isFile()) found.add(`${shown} ${hashOf(path)}`)
    else found.add(entry.isSymbolicLink() ? `${shown} -> ${readlinkSync(path)}` : `${shown}/`)
  }
  const list = (folder: string): Dirent[] =>
    existsSync(join(data, '.tarn', folder))
      ? readdirSync(join(data, '.tarn', folder), { recursive: true, withFileTypes: true })
      : []
  // The time in the name is that of the run.
  for (const { name } of list('quarantine')) found.add(`set aside: ${name.replace(/\.\d+$/, '')}`)
  for (const entry of list('tmp')) if (entry.isFile()) found.add(`unfinished: ${entry.name}`)
  return found
}

function compareSnapshots(found: ReadonlySet<string>, wanted: ReadonlySet<string>, when: string): void {
  const faults = [
    ...[...found].filter((each) => !wanted.has(each)).map((each) => `too much: ${each}`),
    ...[...wanted].filter((each) => !found.has(each)).map((each) => `not there: ${each}`),
  ]
  if (faults.length > 0) throw new Error(`${when}: ${faults.length} differences: ${faults.slice(0, 5).join('; ')}`)
}
