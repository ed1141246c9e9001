// Cincinnati: the update service that knows which versions a channel has, and the payload of each by digest. Its graph is
// a stranger's document: bounded, and only what is a version with a digest counts.
import type { ImageSource } from '../config/image-source.ts'
import { parseImageSource } from '../config/image-source.ts'
import { Problem } from '../config/problem.ts'
import type { Fetcher } from '../upstream/fetch-small.ts'

export const GRAPH_URL = 'https://api.openshift.com/api/upgrades_info/v1/graph'

export interface GraphAsk {
  readonly channel: string
  /** Go's name: `amd64`, `arm64`, `multi`. */
  readonly arch: string
  /** GRAPH_URL unless told. */
  readonly url?: string
  readonly signal?: AbortSignal | undefined
}

export interface GraphRelease {
  readonly version: string
  /** With registry, repository and digest. */
  readonly payload: ImageSource
  /** Of the erratum. */
  readonly url: string | undefined
}

// Real ones have one to three MB, most of it edges; parseJson's bound on values is for manifests.
const LARGEST_GRAPH = 16 * 1024 * 1024
const WORD = /^[\w.-]{1,64}$/

/** The releases of a channel in the order of their versions. Throws a Problem when it has none, and an UpstreamError. */
export async function fetchGraph(fetcher: Pick<Fetcher, 'get'>, ask: GraphAsk): Promise<GraphRelease[]> {
  const { channel, arch, url = GRAPH_URL } = ask
  for (const [what, word] of Object.entries({ channel, arch })) {
    if (!WORD.test(word)) throw new Problem(`${JSON.stringify(word)} is no ${what}`, { hint: HINT, exitCode: 2 })
  }
  const address = URL.parse(url)
  if (address === null) throw new Problem(`${url} is no address of an update service`, { hint: HINT, exitCode: 2 })
  address.searchParams.set('channel', channel)
  address.searchParams.set('arch', arch)
  const { signal } = ask
  const bytes = await fetcher.get(address.href, { limit: LARGEST_GRAPH, accept: 'application/json', signal })
  if (bytes === undefined) throw new Problem(`${address.host} has no graph at ${address.pathname}`, { hint: HINT })
  const releases = parseGraph(bytes, address.host)
  if (releases.length === 0)
    throw new Problem(`${address.host} knows no release in ${channel} for ${arch}`, { hint: HINT })
  return releases
}

/** One version of a channel. Throws a Problem that names the nearest that there are. */
export function chooseRelease(releases: readonly GraphRelease[], version: string, channel: string): GraphRelease {
  const found = releases.find((release) => release.version === version)
  if (found !== undefined) return found
  const newest = releases
    .slice(-3)
    .map((release) => release.version)
    .join(', ')
  throw new Problem(`${channel} has no release ${version}`, { hint: `the newest there: ${newest}` })
}

/** Reads a graph; `host` names its server in messages. Throws a Problem for what is none. */
export function parseGraph(bytes: Uint8Array, host: string): GraphRelease[] {
  let root: unknown
  try {
    root = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new Problem(`${host} gives a graph that cannot be read: ${(cause as Error).message}`, { hint: HINT, cause })
  }
  const nodes = asObject(root)['nodes']
  if (!Array.isArray(nodes)) throw new Problem(`${host} gives no graph of releases`, { hint: HINT })
  const releases = nodes.flatMap((node: unknown): GraphRelease[] => {
    const { version, payload, metadata } = asObject(node)
    if (typeof version !== 'string' || typeof payload !== 'string' || !WORD.test(version)) return []
    const source = parseImageSource(payload)
    if (source?.repository === undefined || source.digest === undefined) return []
    const { url } = asObject(metadata)
    return [{ version, payload: source, url: typeof url === 'string' ? url : undefined }]
  })
  return releases.toSorted((a, b) => compareVersions(a.version, b.version))
}

const HINT = 'write --channel stable-4.18 --version 4.18.3, and --graph-url for an update service of your own'

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

// Versions of one channel: numbers by number; 4.18.0-rc.1 before 4.18.0.
function compareVersions(a: string, b: string): number {
  const [mainA = '', ...preA] = a.split('-')
  const [mainB = '', ...preB] = b.split('-')
  const byMain = mainA.localeCompare(mainB, 'en', { numeric: true })
  if (byMain !== 0) return byMain
  if (preA.length === 0 || preB.length === 0) return preB.length - preA.length
  return preA.join('-').localeCompare(preB.join('-'), 'en', { numeric: true })
}
