// What may stand after the image's name, and what it does with no volume and no setting at all.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openClient } from '../../helpers/client.ts'
import { expectStatus, pushBlob } from '../exchange/ledger.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Container, Image } from './container.ts'
import { IMAGE, makeHome, runContainer, stopContainer } from './container.ts'

const DEFAULT = '/etc/docker/registry/config.yml'

export async function checkArguments(context: E2EContext, recorder: Recorder, image: Image): Promise<void> {
  const forms: [label: string, args: string[]][] = [
    ['no argument', []],
    ["registry:2's own argument", [DEFAULT]],
    ['serve CONFIG', ['serve', DEFAULT]],
    ['registry serve CONFIG', ['registry', 'serve', DEFAULT]],
  ]
  for (const [label, args] of forms) {
    await recorder.check(`${label}: serves with registry:2's defaults on an own volume, as --user 1001`, async () => {
      const container = await runContainer(context, image, ['--user', '1001'], args)
      await pushSomething(container)
      await stopContainer(context, image, container)
    })
  }
  await recorder.check('serve /path/config.yml: takes the mounted file', async () => {
    const { folder } = await makeHome(context)
    const file = join(folder, 'config.yml')
    await writeFile(
      file,
      'version: 0.1\nstorage: {filesystem: {rootdirectory: /data}}\nhttp: {addr: ":5000", headers: {X-From: [file]}}\n',
    )
    await mkdir(join(folder, 'elsewhere'))
    const mounts = ['-v', `${file}:/path/config.yml:z`, '-v', `${join(folder, 'elsewhere')}:/data:z`]
    const container = await runContainer(context, image, mounts, ['serve', '/path/config.yml'])
    await pushSomething(container, 'file')
    await context.machine.run('test', ['-d', join(folder, 'elsewhere/docker/registry/v2/repositories/team/hello')])
    await stopContainer(context, image, container)
  })
  await recorder.check("a file at registry:3's place is taken without argument", async () => {
    const { folder } = await makeHome(context)
    const file = join(folder, 'config.yml')
    await writeFile(
      file,
      'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ":5000", headers: {X-From: [three]}}\n',
    )
    const container = await runContainer(context, image, ['-v', `${file}:/etc/distribution/config.yml:z`])
    await pushSomething(container, 'three')
    await stopContainer(context, image, container)
  })
  await recorder.check('tarn commands run: in the image, and by podman exec in a running container', async () => {
    const { text } = await image.podman(['run', '--rm', IMAGE, 'serve', DEFAULT, '--print-config'])
    if (!text.includes('/var/lib/registry')) throw new Error(`--print-config says: ${text.slice(0, 300)}`)
    const container = await runContainer(context, image, [])
    const shown = await image.podman(['exec', container.name, 'tarn', 'serve', '--print-config'])
    if (!shown.text.includes('/var/lib/registry')) throw new Error(`podman exec says: ${shown.text.slice(0, 300)}`)
    await stopContainer(context, image, container)
  })
  await recorder.check('the image holds no secret, no test and no development package', async () => {
    const { text } = await image.podman(['run', '--rm', '--entrypoint', '/usr/local/bin/node', IMAGE, '-e', LISTING])
    const found = text
      .split('\n')
      .filter((name) => /^(?:auth|certs|storage|test|\.git)$|^(?:tap|typescript|oxlint|fast-check)$/.test(name))
    if (found.length > 0 || !text.includes('fastify')) throw new Error(`in /opt/tarn: ${text.replaceAll('\n', ' ')}`)
  })
}

const LISTING = `const {readdirSync} = require('node:fs')
for (const name of [...readdirSync('/opt/tarn'), ...readdirSync('/opt/tarn/node_modules')]) console.log(name)`

async function pushSomething({ address }: Container, from?: string): Promise<void> {
  const client = openClient({ url: `http://${address}` })
  try {
    const answer = expectStatus(await client.send('GET', '/v2/'), 'GET /v2/', 200)
    if (from !== undefined && answer.headers['x-from'] !== from)
      throw new Error(`X-From is ${String(answer.headers['x-from'])}`)
    await pushBlob(client, new Map(), 'team/hello', Buffer.from('hello'))
  } finally {
    client.close()
  }
}
