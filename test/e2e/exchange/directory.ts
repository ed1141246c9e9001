// The data directory as plain files, seen without any code of Tarn: what docs/formats/data-dir.md promises of
// every file that a writer left. And the carrying of it: tar, a new place, untar.
import { lstat, mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from '../helpers/machine.ts'
import { digestOf } from './ledger.ts'

export const V2 = 'docker/registry/v2'

// What docs/formats/data-dir.md tells people to leave out.
const LEFT_OUT = [
  '--exclude=.tarn/cache',
  '--exclude=.tarn/tmp',
  '--exclude=.tarn/quarantine',
  '--exclude=.tarn/lock*',
  '--exclude=.tarn/keeper.json',
  '--exclude=_uploads',
]

/** Packs the directory as the handbook does, unpacks it in a new place and gives that. */
export async function carry(machine: Machine, data: string, options: { whole?: boolean } = {}): Promise<string> {
  const place = await machine.scratch('carried')
  const archive = join(place, 'registry.tar.gz')
  await mkdir(join(place, 'opt'))
  await machine.run('tar', [
    '-zcf',
    archive,
    ...(options.whole === true ? [] : LEFT_OUT),
    '-C',
    join(data, '..'),
    data.split('/').at(-1) ?? 'data',
  ])
  await machine.run('tar', ['-zxf', archive, '-C', join(place, 'opt')])
  return join(place, 'opt', data.split('/').at(-1) ?? 'data')
}

export interface Entry {
  /** Below the data directory. */
  readonly path: string
  readonly kind: 'directory' | 'file' | 'other'
  /** Permission bits. */
  readonly mode: number
  readonly size: number
}

/** Every entry below `data`, those of .tarn too. */
export async function listEntries(data: string): Promise<Entry[]> {
  const names = await readdir(data, { recursive: true })
  return Promise.all(
    names.map(async (path) => {
      const stat = await lstat(join(data, path))
      const kind = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other'
      return { path, kind, mode: stat.mode & 0o7777, size: stat.size } as const
    }),
  )
}

/** Every link is 71 (sha512: 135) bytes, a digest and nothing else, and its blob is here and hashes to it. */
export async function checkLinks(data: string): Promise<void> {
  const links = (await listEntries(data)).filter(({ path }) => path.startsWith(V2) && path.endsWith('/link'))
  if (links.length === 0) throw new Error(`no links below ${data}`)
  for (const { path, size } of links) {
    const text = await readFile(join(data, path), 'utf8')
    const [, algorithm = '', hex = ''] = /^(sha256|sha512):([0-9a-f]+)$/.exec(text) ?? []
    if (size !== (algorithm === 'sha512' ? 135 : 71)) throw new Error(`${path}: ${size} bytes: ${JSON.stringify(text)}`)
    const blob = await readFile(join(data, V2, 'blobs', algorithm, hex.slice(0, 2), hex, 'data'))
    if (digestOf(blob, algorithm === 'sha512' ? 'sha512' : 'sha256') !== text)
      throw new Error(`${path}: its blob has other bytes`)
  }
}

/** Each repository has `_layers` and `_manifests/{revisions,tags}`: 2.8 and 3.x know repositories by different ones. */
export async function checkRepositories(data: string, names: Iterable<string>): Promise<void> {
  const there = new Set((await listEntries(data)).filter(({ kind }) => kind === 'directory').map(({ path }) => path))
  for (const name of names) {
    for (const part of ['_layers', '_manifests/revisions', '_manifests/tags']) {
      const path = `${V2}/repositories/${name}/${part}`
      if (!there.has(path)) throw new Error(`${path} is missing`)
    }
  }
}

/** Nothing that the walks of distribution trip over: plain files with `_`, sockets, names left from writing. */
export async function checkNothingStrange(data: string): Promise<void> {
  for (const { path, kind } of await listEntries(data)) {
    const name = path.split('/').at(-1) ?? ''
    const own = path.startsWith('.tarn')
    if (kind === 'other') throw new Error(`${path} is neither file nor directory: tar complains about it`)
    if (kind === 'file' && name.startsWith('_'))
      throw new Error(`${path}: a plain file that begins with _ stops registry:2's walk`)
    if (!own && kind === 'file' && !['link', 'data', 'startedat', 'owner'].includes(name))
      throw new Error(`${path} is no part of the layout`)
  }
  const top = (await readdir(data)).filter((name) => !['docker', '.tarn'].includes(name))
  if (top.length > 0) throw new Error(`strangers beside docker/ and .tarn/: ${top.join(', ')}`)
}

/** Directories and files have the modes that distribution gives: 0777 and 0666 less the umask. */
export async function checkModes(data: string, umask: number): Promise<void> {
  for (const { path, kind, mode } of await listEntries(data)) {
    if (path.startsWith('.tarn')) continue
    const expected = (kind === 'directory' ? 0o777 : 0o666) & ~umask
    if (mode !== expected) throw new Error(`${path} has mode ${mode.toString(8)} instead of ${expected.toString(8)}`)
  }
}

/** The path of a tag's link, for cases that spoil it. */
export function tagLink(data: string, name: string, tag: string): string {
  return join(data, V2, 'repositories', name, '_manifests/tags', tag, 'current/link')
}
