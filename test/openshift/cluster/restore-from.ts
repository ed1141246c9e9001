import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf, parseDigest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { openRestorePlace } from '../../../src/openshift/cluster/restore-from.ts'
import { createLayout } from '../../../src/storage/layout.ts'
import { openClient } from '../../helpers/client.ts'
import { runCommand } from '../../helpers/command.ts'
import { makeHome } from '../../helpers/home.ts'
import { plantFile } from '../../helpers/plant.ts'
import { pushImage } from '../../helpers/push.ts'
import { startTarn } from '../../helpers/server.ts'

const HERE = digestOf(Buffer.from('here'))
const OTHER = digestOf(Buffer.from('other'))
const IMAGE = `quay.io/org/app@${HERE}`
const nobody = (): never => {
  throw new Error('no registry was to be asked')
}

async function look(text: string) {
  const place = await openRestorePlace(text, nobody)
  const ask = (digest: Digest) =>
    place.look({ image: IMAGE, digest, repositories: [parseRepositoryName('team/app')], release: undefined })
  const { has, command } = await ask(HERE)
  return { kind: place.kind, here: has, other: (await ask(OTHER)).has, command }
}

t.test('directories of three kinds are looked into', async (t) => {
  const root = t.testdir({})
  const [data, oc, oci] = ['data', 'mirror', 'layout'].map((name) => join(root, name)) as [string, string, string]
  plantFile(createLayout(data).blobData(HERE), 'here')
  plantFile(join(oc, 'v2/openshift/release/manifests', HERE), 'here')
  plantFile(join(oci, 'blobs', HERE.replace(':', '/')), 'here')
  t.same(await look(data), { kind: 'data directory', here: true, other: false, command: `tarn import data:${data}` })
  t.same(await look(`dir:${oc}`), {
    kind: 'oc directory',
    here: true,
    other: false,
    command: `tarn import dir:${oc} team/app`,
  })
  t.same(await look(oci), { kind: 'OCI layout', here: true, other: false, command: `tarn import oci:${oci} team/app` })
  const windows = join(root, 'windows')
  plantFile(join(windows, 'v2/openshift/release/manifests', HERE.replace(':', '-')), 'here')
  t.equal((await look(windows)).here, true)
})

t.test('of a bundle its index tells what it carries', async (t) => {
  const home = makeHome(t)
  const tarn = await startTarn(t, {}, home.directory)
  const client = openClient({ url: tarn.url })
  const { digest } = await pushImage(client, 'team/app', 'first', { reference: 'v1' })
  client.close()
  await tarn.close()
  const file = join(home.directory, 'site.tar')
  const made = await runCommand(['bundle', 'create', file, '--config', join(home.directory, 'config.yml')])
  t.equal(made.code, 0, made.stderr)
  const place = await openRestorePlace(file, nobody)
  const ask = (wanted: Digest) => place.look({ image: IMAGE, digest: wanted, repositories: [], release: undefined })
  t.equal(place.kind, 'bundle')
  t.same(await ask(parseDigest(digest)), { has: true, command: `tarn bundle apply ${file}` })
  t.same(await ask(OTHER), { has: false, command: `tarn bundle apply ${file}` })
})

t.test('an archive may have anything', async (t) => {
  const tar = join(t.testdir({}), 'registry.tar')
  writeFileSync(tar, Buffer.alloc(10_240))
  t.same(await look(tar), { kind: 'archive', here: undefined, other: undefined, command: `tarn import data:${tar}` })
})

t.test('what is none of them is refused', async (t) => {
  const root = t.testdir({})
  mkdirSync(join(root, 'empty'))
  for (const text of [join(root, 'nowhere'), join(root, 'empty'), 'nothing']) {
    await t.rejects(openRestorePlace(text, nobody), { name: 'Problem', exitCode: 2 }, text)
  }
})
