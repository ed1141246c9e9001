// Images change hands between Tarn and the real programs by files: what skopeo, podman, docker and oc write comes in with the
// same digests, and what Tarn writes comes out of them the same; while the registry runs, which it never has to leave off.
// `OC`, `OC_OLD` and `HAULER` name the programs where they are not in the PATH as oc, oc-4.4 and hauler.

import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startContainerd, startDockerd } from './helpers/containerd.ts'
import { makeContainerStorage } from './helpers/containers.ts'
import type { Fixture } from './helpers/image-fixture.ts'
import { buildFixture, digestOf } from './helpers/image-fixture.ts'
import type { Output } from './helpers/machine.ts'
import type { E2EContext, Recorder, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import type { Tarn } from './helpers/tarn.ts'
import { findCommand } from './install.ts'

export const name = 'exchange-formats'

/** What every part of the suite works with. */
interface Stage {
  readonly context: E2EContext
  readonly recorder: Recorder
  readonly tarn: Tarn
  /** A folder of its own. */
  readonly folder: string
  /** The environment of podman and skopeo. */
  readonly storage: Record<string, string>
  readonly oci: Fixture
  readonly index: Fixture
  readonly docker: Fixture
  tarnDoes(...args: readonly string[]): Promise<Output>
  client(command: string, ...args: readonly string[]): Promise<Output>
  /** The digest that the registry has under a tag. */
  digest(image: string): Promise<string>
}

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const stage = await setStage(context, recorder)
  await layouts(stage)
  await podmanArchives(stage)
  await dockerArchives(stage)
  await directories(stage)
  await hauls(stage)
  await oldOnes(stage)
  return recorder.rows
}

async function setStage(context: E2EContext, recorder: Recorder): Promise<Stage> {
  const { machine, checkout, node } = context
  const tarn = await context.startTarn()
  const folder = await machine.scratch('formats')
  const storage = await makeContainerStorage(machine)
  const [oci, index, docker] = [
    await buildFixture(machine, folder, 'oci'),
    await buildFixture(machine, folder, 'oci-index'),
    await buildFixture(machine, folder, 'docker'),
  ]
  return {
    context,
    recorder,
    tarn,
    folder,
    storage,
    oci,
    index,
    docker,
    tarnDoes: (...args) =>
      machine.run(node, [join(checkout, 'src', 'main.ts'), ...args, '--config', tarn.configFile], { cwd: folder }),
    client: (command, ...args) => machine.run(command, args, { cwd: folder, env: storage }),
    async digest(image) {
      const [repository = '', tag = ''] = image.split(':')
      const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, */*'
      const answer = await fetch(`${tarn.url}/v2/${repository}/manifests/${tag}`, { headers: { accept } })
      if (!answer.ok) throw new Error(`${image}: ${answer.status}`)
      return digestOf(Buffer.from(await answer.arrayBuffer()))
    },
  }
}

function same(one: unknown, other: unknown, what: string): void {
  if (one !== other) throw new Error(`${what}: ${String(one)} and not ${String(other)}`)
}

async function layouts({ recorder, folder, oci, index, ...stage }: Stage): Promise<void> {
  await recorder.check('an OCI layout of another program comes in with its digest', async () => {
    await stage.tarnDoes('import', `oci:${oci.layout}`, 'layouts/one:1')
    await stage.tarnDoes('import', `oci:${index.layout}:fixture`, 'layouts/index:1')
    same(await stage.digest('layouts/one:1'), oci.top.digest, 'the image')
    same(await stage.digest('layouts/index:1'), index.top.digest, 'the index')
  })
  await recorder.check('an archive that skopeo writes comes in with its digest', async () => {
    await stage.client(
      'skopeo',
      'copy',
      '-q',
      '--all',
      `oci:${index.layout}:fixture`,
      'oci-archive:skopeo.tar:team/app:2',
    )
    await stage.tarnDoes('import', 'oci-archive:skopeo.tar')
    same(await stage.digest('team/app:2'), index.top.digest, 'the index')
  })
  await recorder.check('skopeo reads layouts and archives that Tarn writes, and finds the same digests', async () => {
    await stage.tarnDoes('export', 'layouts/*', 'oci:out')
    await stage.tarnDoes('export', 'layouts/*', 'oci-archive:out.tar')
    for (const [place, into] of [
      ['oci:out', 'sk1'],
      ['oci-archive:out.tar', 'sk2'],
    ] as const) {
      await stage.client('skopeo', 'copy', '-q', '--all', `${place}:layouts/index:1`, `dir:${into}`)
      same(digestOf(await readFile(join(folder, into, 'manifest.json'))), index.top.digest, place)
    }
  })
  await recorder.check('what was carried on is not written again, and one archive is as good as another', async () => {
    const { text } = await stage.tarnDoes('export', '--json', 'layouts/*', 'oci:out')
    const { counts, blobs } = JSON.parse(text) as { counts: { here: number }; blobs: number }
    same(counts.here, 2, 'images that were there')
    same(blobs, 0, 'blobs that were written')
  })
}

async function podmanArchives({ recorder, folder, storage, ...stage }: Stage): Promise<void> {
  const { machine } = stage.context
  const ids = new Map<string, string>()
  const idOf = async (image: string): Promise<string> =>
    (await machine.run('podman', ['image', 'inspect', '--format', '{{.Id}}', image], { env: storage })).text
  await recorder.check('podman save of several images comes in, and podman pulls the same images', async () => {
    await mkdir(join(folder, 'build'))
    await writeFile(join(folder, 'build', 'a'), 'a file')
    await writeFile(join(folder, 'build', 'Dockerfile'), 'FROM scratch\nCOPY a /a\n')
    await writeFile(join(folder, 'build', 'Second'), 'FROM localhost/one:1\nCOPY a /b\n')
    await stage.client('podman', 'build', '-q', '-t', 'localhost/one:1', 'build')
    await stage.client('podman', 'build', '-q', '-t', 'localhost/two:2', '-f', 'build/Second', 'build')
    await stage.client('podman', 'save', '-q', '-m', '-o', 'multi.tar', 'localhost/one:1', 'localhost/two:2')
    for (const image of ['one:1', 'two:2']) ids.set(image, await idOf(`localhost/${image}`))
    await stage.tarnDoes('import', 'docker-archive:multi.tar')
    for (const [image, id] of ids) {
      await stage.client('podman', 'pull', '-q', '--tls-verify=false', `${stage.tarn.address}/${image}`)
      same(await idOf(`${stage.tarn.address}/${image}`), id, image)
    }
  })
  await recorder.check('the same archive packed by gzip and zstd is the same', async () => {
    await machine.run('gzip', ['-k', 'multi.tar'], { cwd: folder })
    await machine.run('zstd', ['-q', 'multi.tar'], { cwd: folder })
    for (const [at, ending] of ['gz', 'zst'].entries()) {
      await stage.tarnDoes('import', `docker-archive:multi.tar.${ending}`, `packed${at}/`)
      same(await stage.digest(`packed${at}/two:2`), await stage.digest('two:2'), ending)
    }
  })
  await recorder.check('podman loads an archive that Tarn writes, with the same image IDs', async () => {
    await stage.tarnDoes('export', 'one', 'two', 'docker-archive:tarn.tar')
    for (const image of ids.keys())
      await stage.client('podman', 'rmi', '-f', `localhost/${image}`, `${stage.tarn.address}/${image}`)
    await stage.client('podman', 'load', '-q', '-i', 'tarn.tar')
    for (const [image, id] of ids) same(await idOf(`localhost/${image}`), id, image)
  })
  await recorder.check('skopeo takes a docker-archive in and out of an image of another registry’s kind', async () => {
    const { docker } = stage
    const plain = `docker://${stage.tarn.address}/docker/one:1`
    await stage.client('skopeo', 'copy', '-q', '--dest-tls-verify=false', `dir:${docker.dir}`, plain)
    await stage.tarnDoes('export', 'docker/one:1', 'docker-archive:one.tar')
    await stage.client('skopeo', 'copy', '-q', 'docker-archive:one.tar', 'dir:one')
    const { config } = JSON.parse(await readFile(join(folder, 'one', 'manifest.json'), 'utf8')) as {
      config: { digest: string }
    }
    same(
      config.digest,
      (JSON.parse(docker.top.bytes.toString()) as typeof config & { config: { digest: string } }).config.digest,
      'the config',
    )
  })
}

async function dockerArchives({ recorder, folder, ...stage }: Stage): Promise<void> {
  const { machine } = stage.context
  const containerd = await startContainerd(machine)
  const { env, prefix } = await startDockerd(machine, containerd)
  const docker = (...args: readonly string[]): Promise<Output> =>
    machine.run('docker', args, { cwd: folder, env, prefix: [...prefix, 'env', '-C', folder] })
  await recorder.check(
    'docker loads an archive that Tarn writes, and what it saves comes in as the same image',
    async () => {
      await docker('load', '-q', '-i', 'tarn.tar')
      const id = (await docker('image', 'inspect', '--format', '{{.Id}}', 'two:2')).text
      await docker('save', '-o', 'saved.tar', 'one:1', 'two:2')
      await stage.tarnDoes('import', 'docker-archive:saved.tar', 'saved/')
      const { text } = await stage.tarnDoes('inspect', '--image-config', 'saved/two:2')
      // docker from 25 on, over containerd's store, names an image by its manifest.
      if (id !== digestOf(Buffer.from(text)) && id !== (await stage.digest('saved/two:2')))
        same(digestOf(Buffer.from(text)), id, 'the image ID')
    },
  )
}

const CHANGES: readonly (readonly [string, (stage: Stage, to: string) => Promise<void>])[] = [
  [
    'a tar of it, unpacked elsewhere',
    async ({ context, folder }, to) => {
      await context.machine.run(
        'sh',
        ['-c', `tar -zcf m.tar.gz -C dir . && mkdir ${to} && tar -zxf m.tar.gz -C ${to}`],
        { cwd: folder },
      )
    },
  ],
  [
    'cp -rL, which makes files of links',
    async ({ context, folder }, to) => {
      await context.machine.run('cp', ['-rL', 'dir', to], { cwd: folder })
    },
  ],
  [
    'names without ":", as Windows has them',
    async ({ context, folder }, to) => {
      await context.machine.run('cp', ['-rL', 'dir', to], { cwd: folder })
      for (const place of ['blobs', 'manifests'].map((each) => join(folder, to, 'v2/openshift/release', each))) {
        for (const file of await readdir(place)) await rename(join(place, file), join(place, file.replace(':', '-')))
      }
    },
  ],
]

async function directories(stage: Stage): Promise<void> {
  const { recorder, oci, docker, index } = stage
  const images = [
    [oci, '4.4.10-one'],
    [docker, '4.4.10-docker'],
    [index, '4.4.10-index'],
  ] as const
  for (const [fixture, tag] of images) {
    const to = `docker://${stage.tarn.address}/openshift/release:${tag}`
    await stage.client('skopeo', 'copy', '-q', '--all', '--dest-tls-verify=false', `dir:${fixture.dir}`, to)
  }
  const check = async (repository: string): Promise<void> => {
    for (const [fixture, tag] of images) same(await stage.digest(`${repository}:${tag}`), fixture.top.digest, tag)
  }
  await recorder.check('a directory as oc writes it goes out, and comes in by oc’s own words', async () => {
    await stage.tarnDoes('export', 'openshift/release', 'dir:dir')
    await stage.tarnDoes('import', '--from-dir=dir', 'file://openshift/release:4.4.10*', 'ocp4/plain')
    await check('ocp4/plain')
  })
  for (const [at, [what, change]] of CHANGES.entries()) {
    await recorder.check(`the directory comes in with all tags after ${what}`, async () => {
      await change(stage, `changed${at}`)
      await stage.tarnDoes('import', `dir:changed${at}`, `ocp4/changed${at}`)
      await check(`ocp4/changed${at}`)
    })
  }
  await recorder.check('podman pulls what a directory brought, by tag and by digest', async () => {
    for (const [fixture, tag] of images) {
      for (const reference of [`:${tag}`, `@${fixture.top.digest}`]) {
        const image = `${stage.tarn.address}/ocp4/plain${reference}`
        await stage.client('podman', 'pull', '-q', '--tls-verify=false', image)
        const { text } = await stage.client(
          'podman',
          'image',
          'inspect',
          '--format',
          '{{range .RepoDigests}}{{.}} {{end}}',
          image,
        )
        if (!text.includes(fixture.top.digest)) throw new Error(`${image} is ${text}`)
      }
    }
  })
  for (const [program, variable, command] of [
    ['oc', 'OC', 'oc'],
    ['oc 4.4', 'OC_OLD', 'oc-4.4'],
  ] as const) {
    const path = process.env[variable] || (await findCommand(command))
    if (path === undefined) {
      recorder.skip(`${program} image mirror`, `there is no ${command} in the PATH, and ${variable} names none`)
      continue
    }
    await recorder.check(
      `${program} mirrors from a directory that Tarn writes, and Tarn takes in what it writes`,
      async () => {
        const place = `by-${command}`
        const address = stage.tarn.address
        const words = ['image', 'mirror', '--insecure', '--keep-manifest-list', '--filter-by-os=.*']
        // oc 4.4 puts a list before its children, which keeps this registry's rules, and knows no OCI index.
        const tags = program === 'oc' ? '4.4.10*' : '4.4.10-docker'
        await stage.client(
          path,
          ...words,
          '--from-dir=dir',
          `file://openshift/release:${tags}`,
          `${address}/${place}/in`,
        )
        await stage.client(
          path,
          ...words,
          `--dir=${place}`,
          `${address}/openshift/release:4.4.10-docker`,
          'file://openshift/release:4.4.10-docker',
        )
        await stage.tarnDoes('import', `dir:${place}`, `${place}/out`)
        same(await stage.digest(`${place}/in:4.4.10-docker`), docker.top.digest, 'what it mirrored')
        same(await stage.digest(`${place}/out:4.4.10-docker`), docker.top.digest, 'what it wrote')
      },
    )
  }
}

/** What hauler's own program takes out of the registry and saves, comes in again as it was. */
async function hauls({ recorder, folder, tarn, oci, index, docker, ...stage }: Stage): Promise<void> {
  const hauler = process.env['HAULER'] || (await findCommand('hauler'))
  if (hauler === undefined) {
    recorder.skip('hauler store save', 'there is no hauler in the PATH, and HAULER names none')
    return
  }
  const images = [
    ['layouts/one:1', oci],
    ['layouts/index:1', index],
    ['docker/one:1', docker],
  ] as const
  const env = { HOME: folder, HAULER_DIR: join(folder, 'hauler'), HAULER_STORE_DIR: join(folder, 'hauler/store') }
  const haul = (...args: readonly string[]): Promise<Output> =>
    stage.context.machine.run(hauler, args, { cwd: folder, env })
  await recorder.check('a store that hauler saves comes in with its digests, and the store itself too', async () => {
    for (const [image] of images) await haul('store', 'add', 'image', `${tarn.address}/${image}`)
    await haul('store', 'save', '--filename', 'haul.tar.zst')
    for (const [place, into] of [
      ['haul.tar.zst', 'hauled'],
      ['hauler/store', 'stored'],
    ] as const) {
      await stage.tarnDoes('import', `hauler:${place}`, `${into}/`)
      for (const [image, { top }] of images) same(await stage.digest(`${into}/${image}`), top.digest, image)
    }
  })
}

async function oldOnes({ recorder, folder, tarn, oci, ...stage }: Stage): Promise<void> {
  await recorder.check('a damaged archive is refused with its name, one damaged image keeps no other', async () => {
    const { machine, node, checkout } = stage.context
    const tarnFails = (...args: readonly string[]): Promise<Output> =>
      machine.run(node, [join(checkout, 'src', 'main.ts'), ...args, '--config', tarn.configFile], {
        cwd: folder,
        codes: [1, 3],
      })
    await machine.run('sh', ['-c', 'head -c 3000 multi.tar > cut.tar'], { cwd: folder })
    const cut = await tarnFails('import', 'docker-archive:cut.tar')
    if (cut.code !== 1 || !/cut\.tar: .*cut short/.test(cut.stderr)) throw new Error(cut.stderr)
    const layer = oci.blobs.at(-1)?.digest.slice(7) ?? ''
    await writeFile(join(folder, 'out/blobs/sha256', layer), 'other bytes')
    const damaged = await tarnFails('import', 'oci:out', 'damaged/')
    if (damaged.code !== 3 || !damaged.stdout.toString().includes(layer)) throw new Error(damaged.stdout.toString())
    await stage.digest('damaged/layouts/index:1')
  })
  await recorder.check(
    'without a server the same commands work on the directory, and nothing is wrong with it',
    async () => {
      await tarn.stop()
      await stage.tarnDoes('import', 'docker-archive:multi.tar', 'stopped/')
      await stage.tarnDoes('export', 'stopped/**', 'oci:stopped')
      const { text } = await stage.tarnDoes('check')
      if (!text.includes('nothing is wrong')) throw new Error(text)
    },
  )
}
