// Bundles as they are written: under tar, registry:2, ssh-keygen and sha256sum; the second month; one moment of a registry
// that eight clients change; Tarn itself on a machine without network. `apply` is the suite of the other side.
// More bundles beside the writers: TARN_E2E_BUNDLES (500 for the full count).
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { followReadme, loadImage, lookAtOtherImage } from './bundle/far-side.ts'
import { takeMoments } from './bundle/moments.ts'
import { plantImages } from './bundle/plant.ts'
import { makePeer } from './exchange/peers.ts'
import { makeContainerStorage } from './helpers/containers.ts'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'

export const name = 'bundle'

const WRITERS = 8
const BUNDLES = 6
const OWNER = '1000'

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const { machine, checkout, node } = context
  const count = Number(process.env['TARN_E2E_BUNDLES'] ?? BUNDLES)
  if (!Number.isSafeInteger(count) || count < 1) throw new Error('TARN_E2E_BUNDLES is no count')
  const home = await machine.scratch('bundle')
  const [data, config] = [join(home, 'data'), join(home, 'config.yml')]
  const write = (path: string, root: string): void =>
    writeFileSync(
      path,
      JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: root } }, http: { addr: '127.0.0.1:0' } }),
    )
  write(config, data)
  const tarn = (args: readonly string[], codes: readonly number[] = [0]) =>
    machine.run(node, [join(checkout, 'src/main.ts'), ...args, '--config', config], { cwd: home, codes })
  const second = makePeer(context, 'registry:2', 'docker-registry')
  const first = plantImages(data, 40, 500_000)
  const at = (file: string): string => join(home, file)

  await recorder.check('a directory of registry:2 is only read, and two runs write the same bytes', async () => {
    await machine.run('chmod', ['-R', 'a-w', data])
    await tarn(['bundle', 'create', at('march.tar')])
    await machine.run('chmod', ['-R', 'u+w', data])
    const before = (await machine.run('sha256sum', [at('march.tar')])).text.slice(0, 64)
    if (readdirSync(data).includes('.tarn')) throw new Error('something was written into the directory')
    rmSync(at('march.tar'))
    await tarn(['bundle', 'create', at('march.tar')])
    await machine.run('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: home })
    const after = (await machine.run('sha256sum', [at('march.tar')])).text.slice(0, 64)
    if (before !== after) throw new Error('two runs, and two bundles')
  })

  await recorder.check(
    'unpacked over a tree of another owner: its owners stay, registry:2 collects and serves',
    async () => {
      const far = await machine.scratch('far')
      plantImages(join(far, 'data'), 8, 100_000, 100)
      await machine.run('chown', ['-R', `${OWNER}:${OWNER}`, far])
      const owned = `find ${far} -uid ${OWNER} | sort`
      const before = (await machine.run('sh', ['-c', owned])).text
      await machine.run('tar', ['-xf', at('march.tar'), '-C', far])
      const after = (await machine.run('sh', ['-c', owned])).text
      if (before !== after) throw new Error(`owners changed: ${before.length} and ${after.length} characters of paths`)
      await machine.run('chown', ['-R', `${OWNER}:${OWNER}`, far])
      const peer = await second.start(join(far, 'data'))
      const collected = await machine.run('docker-registry', ['garbage-collect', peer.configFile])
      if (/eligible for deletion: sha256/.test(collected.text))
        throw new Error(`it collects: ${collected.text.slice(-500)}`)
      const planted = [...first, ...plantedNames(100, 8)]
      for (const { repository, tag } of planted) {
        await machine.run('skopeo', [
          'inspect',
          '--tls-verify=false',
          '--raw',
          `docker://${peer.address}/${repository}:${tag}`,
        ])
      }
      for (const { repository, tag } of first.slice(0, 4)) {
        const to = `dir:${await machine.scratch('pulled')}`
        await machine.run('skopeo', [
          'copy',
          '--src-tls-verify=false',
          `docker://${peer.address}/${repository}:${tag}`,
          to,
        ])
      }
      await peer.stop()
    },
  )

  await recorder.check('BusyBox unpacks it too', async () => {
    const place = await machine.scratch('busybox')
    await machine.run('busybox', ['tar', '-xf', at('march.tar'), '-C', place])
    await machine.run('diff', ['-r', join(place, 'data/docker'), join(data, 'docker')])
  })

  await recorder.check('ssh-keygen takes the signature, and not of another index', async () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa']) {
      const key = at(`key-${type}`)
      const line = await tarn(['bundle', 'keygen', '--type', type, '--out', key])
      writeFileSync(at('allowed_signers'), `${line.text}\n`)
      await tarn(['bundle', 'create', at('signed.tar'), 'team/app0', '--key', key])
      const index = "tar -xOf signed.tar --wildcards 'data/.tarn/state/bundles/*.json'"
      const verify = 'ssh-keygen -Y verify -f allowed_signers -I tarn -n tarn-bundle -s signed.tar.sig'
      await machine.run('sh', ['-ec', `${index} | ${verify}`], { cwd: home })
      await machine.run('sh', ['-ec', `(${index}; echo) | ${verify}`], { cwd: home, codes: [255] })
    }
  })

  await recorder.check('the second month carries what is new: 5 % more blobs, at most 6 % of the bytes', async () => {
    plantImages(data, 2, 500_000, 40)
    await tarn(['bundle', 'create', at('april.tar'), '--against', at('march.tar')])
    const share = statSync(at('april.tar')).size / statSync(at('march.tar')).size
    context.progress(`bundle: the second month is ${(share * 100).toFixed(2)} % of the first`)
    if (share > 0.06) throw new Error(`${(share * 100).toFixed(2)} %`)
    const far = await machine.scratch('months')
    for (const month of ['march.tar', 'april.tar']) await machine.run('tar', ['-xf', at(month), '-C', far])
    await machine.run('diff', ['-r', join(far, 'data/docker'), join(data, 'docker')])
  })

  await recorder.check(
    `${count} bundles of one moment each, while ${WRITERS} clients push, move and delete`,
    async () => {
      const { acts, images } = await takeMoments(context, count, WRITERS)
      context.progress(`bundle: ${images} images in ${count} bundles, ${acts} acts of the writers meanwhile`)
    },
  )

  let other: Awaited<ReturnType<typeof lookAtOtherImage>>
  await recorder.check('Tarn itself, unpacked on a machine without network as README.txt says', async () => {
    const release = at('release')
    await machine.run(node, [join(checkout, 'scripts/dist.mjs'), release], { timeout: 600_000 })
    const media = await machine.scratch('media')
    const wanted = first[0] ?? { repository: '', tag: '' }
    await tarn(['bundle', 'create', join(media, 'march.tar'), wanted.repository, '--with-tarn', release])
    const tags = await followReadme(context, media, wanted.repository)
    if (!tags.includes(`"${wanted.tag}"`)) throw new Error(tags)
    const storage = await makeContainerStorage(machine)
    const version = await loadImage(context, media, storage)
    if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`the image says ${version}`)
    other = await lookAtOtherImage(context, media, storage)
  })
  if (other === undefined)
    recorder.skip('the image for the other architecture', 'its Node or its base cannot be had here')
  else
    await recorder.check('the image for the other architecture is one of that in all its parts', async () => {
      const { says = '', node, loader } = other ?? {}
      if (!loader || says !== `linux/${node}`)
        throw new Error(`it says ${says}, its Node is for ${node}, loader: ${loader}`)
    })
  return recorder.rows
}

const plantedNames = (first: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ repository: `team/app${(first + at) % 4}`, tag: `v${first + at}` }))
