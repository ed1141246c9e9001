// A newcomer's way: a fresh clone of HEAD, the README's two commands, then its journey, typed as written.
// The README marks these blocks "```sh journey": the first is the first terminal and ends with `npm start`;
// all others together are the second terminal, whose first line reads the password from the keyboard
// (`read -rs PASSWORD`). The server and the second terminal run in a network namespace with private copies
// of the trust folders under /etc, so that port 5000 is free and this machine trusts nothing new.

import { readFile, stat, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { makeContainerStorage } from './helpers/containers.ts'
import type { Machine, Service } from './helpers/machine.ts'
import { makeNetworkNamespace } from './helpers/netns.ts'
import { makeRecorder, type E2EContext, type Row } from './helpers/suite.ts'

export const name = 'journey'

const BLOCK = /^```sh journey\n([\s\S]*?)^```$/gm
const TWO_COMMANDS = 'npm ci && npm start'
const PRIVATE_FOLDERS = ['/etc/containers', '/etc/docker', '/etc/ssl/certs', '/usr/local/share/ca-certificates']

/** The two commands, what they print, the journey, the end. A step whose ground is missing fails as well. */
export async function run(context: E2EContext): Promise<Row[]> {
  const { machine, checkout } = context
  const recorder = makeRecorder(name, context)
  const env = cleanEnvironment(checkout)
  const clone = join(await machine.scratch('clone'), 'tarn')
  let script = ''
  let server: Service | undefined
  let password = ''

  await recorder.check('the README of HEAD holds the two commands and the journey', async () => {
    await cloneHead(machine, checkout, clone)
    const readme = await readFile(join(clone, 'README.md'), 'utf8')
    const [first, ...rest] = [...readme.matchAll(BLOCK)].map(([, block]) => block ?? '')
    if (!first?.trimEnd().endsWith(TWO_COMMANDS)) throw new Error(`the first block does not end with ${TWO_COMMANDS}`)
    script = rest.join('\n')
    for (const words of ['podman login', 'podman push', '/v2/_catalog | jq', 'podman pull']) {
      if (!script.includes(words)) throw new Error(`the journey lacks ${words}`)
    }
  })
  await recorder.check('a fresh clone installs and serves on https port 5000 with the two commands', async () => {
    await machine.run('npm', ['ci'], { cwd: clone, env, timeout: 600_000 })
    server = await startApart(machine, clone, env)
    await server.waitFor(/listening on https:\/\/\S+:5000/)
  })
  await recorder.check('npm start names the user and the CA, and keeps the password to its file', async () => {
    const file = join(clone, 'auth', 'initial-password')
    password = (await readFile(file, 'utf8')).trim()
    const mode = (await stat(file)).mode & 0o777
    if (mode !== 0o600) throw new Error(`${file} has mode ${mode.toString(8)}`)
    const log = server?.log() ?? ''
    for (const word of ['admin', 'ca.crt', 'initial-password']) {
      if (!log.includes(word)) throw new Error(`npm start does not mention ${word}: ${log}`)
    }
    if (password === '' || log.includes(password)) throw new Error('the password is empty or was printed')
  })
  await recorder.check('the journey works as it is written', async () => {
    const storage = await makeContainerStorage(machine)
    const printed = await machine.run('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: clone,
      env: { ...env, ...storage },
      input: `${password}\n`,
      prefix: ['nsenter', `--target=${server?.pid ?? 'nobody'}`, '--mount', '--net', `--wd=${clone}`, '--'],
    })
    const pushed = script.match(/^podman push (?:.*\s)?[^\s/]+:5000\/(\S+:\S+)$/m)?.[1]
    if (pushed === undefined) throw new Error('no line `podman push … HOST:5000/NAME:TAG`')
    if (!printed.text.split('\n').includes(pushed)) throw new Error(`the listing lacks ${pushed}: ${printed.text}`)
  })
  await recorder.check('SIGTERM to npm ends the server cleanly', async () => {
    if (server === undefined) throw new Error('it never started')
    const { pid } = server
    await server.stop()
    const left = await machine.run('ps', ['-o', 'pid=', '--ppid', String(pid)], { codes: [0, 1] })
    if (left.text !== '') throw new Error(`npm is gone, its child ${left.text} is not`)
    await stat(join(clone, 'storage', 'config.yml'))
  })
  return recorder.rows
}

/** The machine's own Node and npm, as a newcomer has them: without what `npm run e2e` put in front. */
function cleanEnvironment(checkout: string): Record<string, string | undefined> {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.startsWith(checkout))
  const ours = Object.keys(process.env).filter((key) => /^(npm_(?!config_)|NODE$|INIT_CWD$)/.test(key))
  return { ...Object.fromEntries(ours.map((key) => [key, undefined])), PATH: path.join(delimiter) }
}

async function cloneHead(machine: Machine, checkout: string, clone: string): Promise<void> {
  const settings = join(await machine.scratch('git'), 'config')
  // CI may check out as another user than the one that runs; git refuses that without this.
  await writeFile(settings, '[safe]\n\tdirectory = *\n')
  await machine.run('git', ['clone', '--quiet', checkout, clone], { env: { GIT_CONFIG_GLOBAL: settings } })
}

/** Runs `npm start` in a network namespace and in a mount namespace with copies of the trust folders. */
async function startApart(machine: Machine, clone: string, env: Record<string, string | undefined>): Promise<Service> {
  const { prefix } = await makeNetworkNamespace(machine)
  const copies = await machine.scratch('etc')
  const lines = ['set -e']
  for (const folder of PRIVATE_FOLDERS) {
    const copy = join(copies, folder.replaceAll('/', '_'))
    const copied = await machine.run('cp', ['-a', folder, copy], { codes: [0, 1] })
    if (copied.code === 0) lines.push(`mount --bind '${copy}' '${folder}'`)
  }
  lines.push('exec npm start')
  return machine.start('unshare', ['--mount', 'sh', '-c', lines.join('\n')], { cwd: clone, env, prefix })
}
