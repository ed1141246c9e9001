// Runs in a network namespace of its own that leads nowhere, where the names of the well-known registries mean fakes at
// public addresses: a Tarn with `upstreams: well-known` in front of them, and for each a pull with the fakes there and
// one with the fakes gone. Prints a line of JSON a registry.
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../../helpers/docker-registry.ts'
import { makeMachine } from '../../helpers/machine.ts'
import { describeError } from '../../helpers/suite.ts'
import type { Tarn } from '../../helpers/tarn.ts'
import { makeTarnProgram, startRegistry } from '../../helpers/tarn.ts'
import { fetchWhole } from '../fetch.ts'
import type { Index } from '../images.ts'
import { makeImage, makeIndex, makeLayer } from '../images.ts'
import { pullWhole } from '../pull.ts'
import { must, waitForTag } from '../scene.ts'
import type { Fakes } from './fakes.ts'
import { startFakes } from './fakes.ts'
import type { Shape } from './table.ts'
import { hostsOf, SHAPES } from './table.ts'

const [checkout = '', hostsFile = ''] = process.argv.slice(2)
const QUIET_MS = 300
const machine = makeMachine()
try {
  await main()
} finally {
  await machine.end()
}

async function main(): Promise<void> {
  const names = [...new Set(SHAPES.flatMap(hostsOf))]
  const lines = names.map((name, at) => {
    const address = `23.1.0.${at + 1}`
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo'])
    return `${address} ${name}\n`
  })
  await writeFile(hostsFile, `127.0.0.1 localhost\n${lines.join('')}`)
  const home = await machine.scratch('fakes')
  await makeDockerRegistryProgram().makeHome(machine, home, names, 'nobody')
  const certs = join(home, 'certs')
  const [cert, key] = await Promise.all(['server.crt', 'server.key'].map((name) => readFile(join(certs, name))))
  if (cert === undefined || key === undefined) throw new Error('no certificate')
  const images = new Map(SHAPES.map((shape) => [shape, makeOne()]))
  const fakes = await startFakes(images, { cert, key })

  const authFile = join(home, 'pull-secret.json')
  const auths = SHAPES.flatMap(({ host, auth }) => {
    const { login } = auth ?? {}
    const text = login && Buffer.from(`${login.username}:${login.password}`).toString('base64')
    return text === undefined ? [] : [[host, { auth: text }] as const]
  })
  await writeFile(authFile, JSON.stringify({ auths: Object.fromEntries(auths) }), { mode: 0o600 })
  const redhat = { host: 'registry.redhat.io', credentials: { authFile }, origins: ['https://sso.redhat.com'] }
  process.env['NODE_EXTRA_CA_CERTS'] = join(certs, 'ca.crt')
  const config = { mirror: { anonymous: true, upstreams: ['well-known', redhat] } }
  const tarn = await startRegistry(machine, makeTarnProgram(checkout, process.execPath), { config })

  const failures = new Map<Shape, unknown>()
  const times = new Map<Shape, number>()
  for (const shape of SHAPES) {
    const began = performance.now()
    await pullThere(shape, images.get(shape), tarn, fakes).catch((error: unknown) => failures.set(shape, error))
    times.set(shape, Math.round(performance.now() - began))
  }
  await fakes.stop()
  for (const shape of SHAPES) {
    if (!failures.has(shape))
      await pull(shape, images.get(shape), tarn.url).catch((error: unknown) => failures.set(shape, error))
    const reason = failures.has(shape) ? describeError(failures.get(shape)) : undefined
    console.log(JSON.stringify({ host: shape.host, reason, ms: times.get(shape) }))
  }
}

function makeOne(): Index {
  const make = (architecture: string) => makeImage([makeLayer(architecture, 100_000)], architecture)
  return makeIndex({ amd64: make('amd64'), arm64: make('arm64') })
}

async function pull({ host, image }: Shape, index: Index | undefined, base: string): Promise<void> {
  const [amd64] = index?.images ?? []
  if (index === undefined || amd64 === undefined) throw new Error('no image')
  const top = await fetchWhole(`${base}/v2/${host}/${image}/manifests/latest`)
  must(top.digest === index.manifest.digest, `the index came as ${top.status}: ${top.body.toString().slice(0, 300)}`)
  await pullWhole(base, `${host}/${image}`, amd64.manifest.digest, amd64)
}

async function pullThere(shape: Shape, index: Index | undefined, tarn: Tarn, fakes: Fakes): Promise<void> {
  const before = fakes.seen.length
  await pull(shape, index, tarn.url)
  await waitForTag(tarn, `${shape.host}/${shape.repository}`, 'latest')
  // What refers to the image is asked for behind all this.
  for (let count = -1; count !== fakes.seen.length;) {
    count = fakes.seen.length
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  }
  const seen = fakes.seen.slice(before)
  const hosts = new Set(hostsOf(shape))
  for (const { host, path, authorization, encoding } of seen) {
    must(hosts.has(host), `it went to ${host}${path}`)
    must(encoding === 'identity', `it asked ${host} for the encoding ${encoding}`)
    const mayShow = host === shape.registry || (shape.auth && host === new URL(shape.auth.realm).host)
    must(authorization === undefined || mayShow === true, `it showed a login to ${host}`)
    if (shape.auth && host === shape.registry)
      must(authorization === undefined || authorization.startsWith('Bearer '), `it showed a password to ${host}`)
  }
  const realm = shape.auth && new URL(shape.auth.realm)
  const asked = seen.filter(({ host, path }) => host === realm?.host && path.startsWith(realm.pathname + '?'))
  must(asked.length <= 2, `${asked.length} tokens were asked for`)
  const refused = seen.filter(({ host, authorization }) => host === shape.registry && authorization === undefined)
  if (shape.auth) must(refused.length <= 2, `${refused.length} requests were sent without the token`)
}
