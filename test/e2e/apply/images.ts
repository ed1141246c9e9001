// What travels in this suite: images of every kind, and the question whether a registry gives them, by tag and by digest,
// to a real podman.
import { createHash } from 'node:crypto'
import { openClient } from '../../helpers/client.ts'
import type { Ledger } from '../exchange/ledger.ts'
import { pushImage, pushMultiArch } from '../exchange/content.ts'
import { makeBytes } from '../exchange/ledger.ts'
import { checkServed } from '../exchange/reader.ts'
import type { Fixture, Format } from '../helpers/image-fixture.ts'
import { buildFixture } from '../helpers/image-fixture.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'

const FORMATS: readonly Format[] = ['docker', 'docker-list', 'oci', 'oci-index']

export interface Cargo {
  readonly fixtures: readonly Fixture[]
  /** What was pushed byte by byte. */
  readonly ledger: Ledger
}

/** Fills a registry; `megabytes` is what its largest repository takes. */
export async function load(context: E2EContext, registry: Tarn, megabytes: number): Promise<Cargo> {
  const { machine } = context
  const folder = await machine.scratch('fixtures')
  const fixtures: Fixture[] = []
  for (const format of FORMATS) {
    const fixture = await buildFixture(machine, folder, format)
    fixtures.push(fixture)
    const to = `docker://${registry.address}/images/${format}:v1`
    const flags = ['--preserve-digests', '--dest-tls-verify=false', '--all']
    await machine.run('skopeo', ['copy', '-q', ...flags, `dir:${fixture.dir}`, to])
  }
  const ledger: Ledger = new Map()
  const client = openClient({ url: registry.url })
  try {
    for (let at = 0; at < megabytes; at += 1) {
      const layer = makeBytes(`${registry.data} ${at}`, 1024 * 1024)
      await pushImage({ client, ledger }, 'large', `image ${at}`, { layer, tag: `v${at}` })
    }
    await pushMultiArch({ client, ledger }, 'lists', 'v1', false)
  } finally {
    client.close()
  }
  return { fixtures, ledger }
}

/** Throws unless the registry gives all of it: to podman by tag and by digest, and byte for byte. */
export async function checkPulls(
  { machine }: E2EContext,
  registry: Tarn,
  { fixtures, ledger }: Cargo,
  env: Record<string, string>,
): Promise<void> {
  for (const { format, top } of fixtures) {
    const name = `${registry.address}/images/${format}`
    for (const reference of [`${name}:v1`, `${name}@${top.digest}`]) {
      const raw = await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`])
      const digest = `sha256:${createHash('sha256').update(raw.stdout).digest('hex')}`
      if (digest !== top.digest) throw new Error(`${reference} is ${digest} instead of ${top.digest}`)
      await machine.run('podman', ['pull', '-q', '--tls-verify=false', reference], { env })
      await machine.run('podman', ['rmi', '-f', '--all'], { env })
    }
  }
  const client = openClient({ url: registry.url })
  try {
    await checkServed(client, ledger, [...ledger.keys()], { ordered: false })
  } finally {
    client.close()
  }
}
