// The far side: Tarn as `npm run dist` makes it, on a machine that has no way out, with nothing but what came on the medium.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeNetworkNamespace } from '../helpers/netns.ts'
import type { E2EContext } from '../helpers/suite.ts'

/** Does in a network namespace what README.txt says; gives the tags that the registry there lists. */
export async function followReadme({ machine }: E2EContext, media: string, repository: string): Promise<string> {
  const { prefix } = await makeNetworkNamespace(machine)
  const place = await machine.scratch('far')
  const readme = readFileSync(join(media, 'README.txt'), 'utf8')
  const commands = readme
    .split('\n')
    .filter((line) => line.startsWith('   '))
    .map((line) =>
      line.trim().replaceAll('/media', media).replaceAll('/opt', place).replace('$(hostname -f)', 'localhost'),
    )
  const [sums = '', unpack = '', init = '', apply = '', serve = ''] = commands
  // Nothing of this machine's Node or checkout.
  const bare = { env: { PATH: '/usr/bin:/bin', HOME: place }, cwd: place, prefix }
  for (const command of [sums, unpack, `printf 'secret-of-the-test\\n' | ${init} --password-stdin`, apply]) {
    await machine.run('sh', ['-ec', command], bare)
  }
  const service = machine.start('sh', ['-c', `exec ${serve} --listen 127.0.0.1:5000`], bare)
  await service.waitFor(/listening on/)
  const ca = join(place, 'registry/certs/ca.crt')
  const url = `https://localhost:5000/v2/${repository}/tags/list`
  const asked = ['-sf', '--cacert', ca, '-u', 'admin:secret-of-the-test', url]
  const answer = await machine.run('curl', asked, { prefix })
  await service.stop()
  return answer.text
}

/**
 * Loads the image archive for another architecture, which cannot run here: gives what it says of itself, and for which
 * machine its Node and the loader of that were built. Undefined where the medium has none.
 */
export async function lookAtOtherImage(
  { machine }: E2EContext,
  media: string,
  env: Record<string, string>,
): Promise<{ readonly says: string; readonly node: string; readonly loader: boolean } | undefined> {
  const other = process.arch === 'arm64' ? 'x64' : 'arm64'
  const archive = readdirSync(media).find((name) => name.includes(`-image-linux-${other}.`))
  if (archive === undefined) return undefined
  const loaded = await machine.run('podman', ['load', '-q', '-i', join(media, archive)], { env })
  const name = /localhost\/tarn:\S+/.exec(loaded.text)?.[0] ?? ''
  const says = await machine.run('podman', ['image', 'inspect', '--format', '{{.Os}}/{{.Architecture}}', name], { env })
  const root = (await machine.run('podman', ['image', 'mount', name], { env })).text.trim()
  try {
    // e_machine of the ELF header: 62 is x86-64, 183 is AArch64.
    const number = readFileSync(join(root, 'usr/local/bin/node')).readUInt16LE(18)
    const folder = join(root, other === 'arm64' ? 'usr/lib' : 'usr/lib64')
    const loader = other === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2'
    const node = number === 183 ? 'arm64' : number === 62 ? 'amd64' : `machine ${number}`
    return { says: says.text.trim(), node, loader: readdirSync(folder).includes(loader) }
  } finally {
    await machine.run('podman', ['image', 'unmount', name], { env })
  }
}

/** Loads the image archive of the medium with podman; gives what the image says of itself. */
export async function loadImage({ machine }: E2EContext, media: string, env: Record<string, string>): Promise<string> {
  const archive = readdirSync(media).find((name) => name.includes(`-image-linux-${process.arch}.`)) ?? ''
  const loaded = await machine.run('podman', ['load', '-q', '-i', join(media, archive)], { env })
  const name = /localhost\/tarn:\S+/.exec(loaded.text)?.[0] ?? ''
  const run = ['run', '--rm', '--network', 'none', name, '--version']
  return (await machine.run('podman', run, { env })).text
}
