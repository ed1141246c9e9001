// The handbook's own listing line, typed as it stands there but for host, user and password: its reader
// follows no Link header, so what it prints must be complete, in order, and nothing else.

import { readFile } from 'node:fs/promises'
import { openClient, type Client } from '../helpers/client.ts'
import { digestOf } from './helpers/image-fixture.ts'
import { makeRecorder, type E2EContext, type Row } from './helpers/suite.ts'
import type { Tarn } from './helpers/tarn.ts'

export const name = 'listing'

const LINE =
  `curl -u USER:PASSWORD -s https://HOST/v2/_catalog | jq -r '.["repositories"][]' | ` +
  `xargs -I @REPO@ curl -u USER:PASSWORD -s https://HOST/v2/@REPO@/tags/list | ` +
  `jq -r -M '.["name"] + ":" + .["tags"][]'`

const TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = Buffer.from('{}')
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: TYPE,
    artifactType: 'application/vnd.e2e.nothing',
    config: {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: digestOf(CONFIG),
      size: CONFIG.length,
    },
    layers: [],
  }),
)

/** An empty registry, 1,200 tags in one repository, 300 repositories. */
export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  await recorder.check('an empty registry prints nothing and no error', () => compare(context, new Map()))
  await recorder.check('1,200 tags in one repository are all printed, in byte order', () => {
    // Names as a release mirror makes them, upper case and digits among them: byte order is not the alphabet's.
    const tags = Array.from({ length: 1200 }, (_, at) => `4.${at % 20}.${at}-${at % 3 === 0 ? 'X' : 'x'}86_64`)
    return compare(context, new Map([['ocp4/openshift4', tags]]))
  })
  await recorder.check('300 repositories are all printed, in byte order', () => {
    const repositories = Array.from({ length: 300 }, (_, at) => `team${at % 7}/app-${at}`)
    return compare(context, new Map(repositories.map((repository) => [repository, ['1', 'latest']])))
  })
  return recorder.rows
}

async function compare(context: E2EContext, wanted: Map<string, string[]>): Promise<void> {
  const tarn = await context.startTarn({ tls: true, login: true })
  try {
    await fill(tarn, wanted)
    const { user, password } = tarn.login ?? { user: '', password: '' }
    const line = LINE.replaceAll('USER', user).replaceAll('PASSWORD', password).replaceAll('HOST', tarn.address)
    const env = { CURL_CA_BUNDLE: tarn.ca }
    const printed = await context.machine.run('bash', ['-o', 'pipefail', '-c', line], { env })
    const lines = [...wanted]
      .toSorted(([one], [other]) => compareBytes(one, other))
      .flatMap(([repository, tags]) => tags.toSorted(compareBytes).map((tag) => `${repository}:${tag}`))
    expectSame(printed.text === '' ? [] : printed.text.split('\n'), lines)
    if (printed.stderr !== '') throw new Error(`it said: ${printed.stderr}`)
  } finally {
    await tarn.stop()
  }
}

/** One small manifest in each repository, put under every tag; eight requests at a time. */
async function fill(tarn: Tarn, wanted: Map<string, string[]>): Promise<void> {
  const { user, password } = tarn.login ?? { user: '', password: '' }
  const ca = tarn.ca === undefined ? {} : { ca: await readFile(tarn.ca, 'utf8') }
  const client = openClient({ url: tarn.url, username: user, password, ...ca })
  try {
    await inParallel([...wanted.keys()], (repository) => putConfig(client, repository))
    const puts = [...wanted].flatMap(([repository, tags]) => tags.map((tag) => `/v2/${repository}/manifests/${tag}`))
    await inParallel(puts, async (path) => {
      await send(client, 'PUT', path, { headers: { 'content-type': TYPE }, body: MANIFEST })
    })
  } finally {
    client.close()
  }
}

async function putConfig(client: Client, repository: string): Promise<void> {
  const opened = await send(client, 'POST', `/v2/${repository}/blobs/uploads/`, {}, 202)
  const location = new URL(String(opened.headers.location), 'https://registry.invalid')
  location.searchParams.set('digest', digestOf(CONFIG))
  const headers = { 'content-type': 'application/octet-stream' }
  await send(client, 'PUT', `${location.pathname}${location.search}`, { headers, body: CONFIG })
}

async function send(
  client: Client,
  method: string,
  path: string,
  sending: Parameters<Client['send']>[2],
  wanted = 201,
): ReturnType<Client['send']> {
  const answer = await client.send(method, path, sending)
  if (answer.status !== wanted) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`)
  return answer
}

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const work = async (): Promise<void> => {
    for (const item of queue) await act(item)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function expectSame(printed: readonly string[], wanted: readonly string[]): void {
  const at = wanted.findIndex((line, index) => line !== printed[index])
  if (at === -1 && printed.length === wanted.length) return
  throw new Error(
    `printed ${printed.length} lines instead of ${wanted.length}; ` +
      `line ${at + 1} is ${JSON.stringify(printed[at])} instead of ${JSON.stringify(wanted[at])}`,
  )
}
