// Many bundles of one registry that clients change meanwhile: each must be one moment, verify, and apply as a whole. Most go
// from the registry's API into that of another; now and then one is made, verified and applied by the commands.
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findSocket } from '../collect/serve.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { pairOf, startWriters } from './writers.ts'

const BY_COMMAND = 10
const INTO_AN_EMPTY_DIRECTORY = 50

export interface Moments {
  /** Acts of the writers meanwhile. */
  readonly acts: number
  /** Images in all bundles. */
  readonly images: number
}

/** Takes `count` bundles while `writers` clients push, move and delete. Throws when one is not as it must be. */
export async function takeMoments(context: E2EContext, count: number, writers: number): Promise<Moments> {
  const { machine, node, checkout } = context
  const [busy, site] = [await context.startTarn(), await context.startTarn()]
  const sockets = [await findSocket(busy.data, busy.service), await findSocket(site.data, site.service)] as const
  const file = join(await machine.scratch('moments'), 'moment.tar')
  const tarn = (config: string, ...words: string[]) =>
    machine.run(node, [join(checkout, 'src/main.ts'), ...words, '--config', config])
  const writing = startWriters(busy.url, writers)
  let images = 0
  try {
    // A registry in which nothing is makes no bundle.
    while (writing.count() < writers) await sleep(50)
    for (let number = 1; number <= count; number += 1) {
      const isByCommand = number % BY_COMMAND === 1
      if (isByCommand) {
        await machine.run('rm', ['-f', file])
        await tarn(busy.configFile, 'bundle', 'create', file, '--sequence', `${number}`)
        await tarn(busy.configFile, 'bundle', 'verify', file)
        await tarn(busy.configFile, 'gc', '--grace', '0s')
      } else await fetchBundle(machine, sockets[0], number, file)
      checkMoment(await readTags(machine, file), writing.steps, writers)
      images += await sendBundle(machine, sockets[1], file)
      if (number % INTO_AN_EMPTY_DIRECTORY === 1) await applyIntoEmpty(context, file)
    }
  } finally {
    await writing.end()
  }
  await checkSite(context, site, file)
  await busy.stop()
  await site.stop()
  return { acts: writing.count(), images }
}

async function fetchBundle(
  machine: E2EContext['machine'],
  socket: string,
  sequence: number,
  file: string,
): Promise<void> {
  const url = `http://tarn/api/v1/bundle?sequence=${sequence}`
  await machine.run('curl', ['-sSf', '--unix-socket', socket, '-o', file, url])
}

/** Applies the bundle; gives how many images it has. Throws unless all of them are there now. */
async function sendBundle(machine: E2EContext['machine'], socket: string, file: string): Promise<number> {
  const sent = ['-sS', '--unix-socket', socket, '-T', file, '-X', 'POST', '-H', 'content-type: application/x-tar']
  const { text } = await machine.run('curl', [...sent, 'http://tarn/api/v1/bundle'])
  const last = text.split('\n').at(-1) ?? ''
  const { report } = JSON.parse(last) as {
    report?: {
      images: { all: number; here: number }
      waiting: unknown[]
      heldBack: unknown[]
      blobs: { wrong: unknown[] }
    }
  }
  const flaws = report && [...report.waiting, ...report.heldBack, ...report.blobs.wrong]
  if (report === undefined || report.images.here !== report.images.all || flaws?.length !== 0)
    throw new Error(`a bundle of ${statSync(file).size} bytes was applied in part: ${last.slice(0, 2000)}`)
  return report.images.all
}

async function applyIntoEmpty({ machine, node, checkout }: E2EContext, file: string): Promise<void> {
  const home = await machine.scratch('empty')
  const config = join(home, 'config.yml')
  await machine.run('mkdir', [join(home, 'data')])
  const storage = { filesystem: { rootdirectory: join(home, 'data') } }
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))
  await machine.run(node, [join(checkout, 'src/main.ts'), 'bundle', 'apply', file, '--config', config])
  await machine.run('rm', ['-rf', home])
}

/** The last bundle's tags mean at the far side what it says. */
async function checkSite({ machine }: E2EContext, site: Tarn, file: string): Promise<void> {
  for (const [image, digest] of await readTags(machine, file)) {
    const at = image.lastIndexOf(':')
    const answer = await fetch(`${site.url}/v2/${image.slice(0, at)}/manifests/${image.slice(at + 1)}`)
    await answer.arrayBuffer()
    const found = answer.headers.get('docker-content-digest')
    if (found !== digest) throw new Error(`${image} is ${found} at the far side, and ${digest} in the last bundle`)
  }
}

/** `repository:tag` to digest, as the index of the bundle says. */
async function readTags(machine: E2EContext['machine'], path: string): Promise<Map<string, string>> {
  const index = await machine.run('tar', ['-xOf', path, '--wildcards', 'data/.tarn/state/bundles/*.json'])
  const { blobs, repositories } = JSON.parse(index.text) as {
    blobs: { digest: string }[]
    repositories: { name: string; images: { manifest: number; tags: string[] }[] }[]
  }
  const tags = new Map<string, string>()
  for (const { name: repository, images } of repositories) {
    for (const { manifest, tags: own } of images) {
      for (const tag of own) tags.set(`${repository}:${tag}`, blobs[manifest]?.digest ?? '')
    }
  }
  return tags
}

/** In one moment the second of a pair is as far as the first, or one step behind. */
function checkMoment(tags: ReadonlyMap<string, string>, steps: ReadonlyMap<string, number>, writers: number): void {
  for (let n = 0; n < writers; n += 1) {
    const [first, second] = pairOf(n).map((repository) => steps.get(tags.get(`${repository}:now`) ?? '') ?? 0)
    const ahead = (first ?? 0) - (second ?? 0)
    if (ahead !== 0 && ahead !== 1) throw new Error(`pair ${n}: the first is at ${first}, the second at ${second}`)
  }
}
