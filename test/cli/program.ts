import { randomBytes } from 'node:crypto'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runProgram } from '../../src/cli/program.ts'
import { runTarn } from '../helpers/tarn.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

t.test('--version and --help end with 0', async (t) => {
  const directory = t.testdir()
  t.same(await runTarn(directory, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  const help = await runTarn(directory, ['--help'])
  t.equal(help.code, 0)
  for (const command of ['serve', 'start', 'init', 'user', 'cert'])
    t.match(help.stdout, new RegExp(`^ +${command}\\b`, 'm'))
  t.equal((await runTarn(directory, ['user', 'add', '--help'])).code, 0)
  const { stdout } = await runTarn(directory, ['gc', '--help'])
  for (const option of ['--dry-run', '--json', '--quiet']) t.match(stdout, new RegExp(`^ +${option}\\b`, 'm'))
})

t.test('wrong usage ends with 2, an error and one hint', async (t) => {
  const run = async (args: readonly string[]) => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const code = await runProgram(args, { stdin, stdout, stderr, clock: Date.now, random: randomBytes })
    return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
  }
  for (const args of [
    ['nonsense'],
    ['user', 'add'],
    ['user', 'list', '--bogus'],
    ['init', 'a', 'b', '--user', 'x'],
    ['--bogus'],
  ]) {
    const { code, stdout, stderr } = await run(args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^error: [^\n]*(\n\(Did you mean [^\n]*)?\nhint: see how it is used: tarn.* --help\n$/)
  }
  for (const args of [[], ['user'], ['cert']]) t.equal((await run(args)).code, 2, args.join(' '))
  t.equal((await runTarn(t.testdir(), ['nonsense'])).code, 2, 'the process ends with it')
})

t.test('a configuration file as the only argument means serve, as the image registry:2 has it', async (t) => {
  const directory = t.testdir()
  for (const name of ['wrong.yml', 'wrong.yaml']) {
    const path = join(directory, name)
    writeFileSync(path, 'version: 0.1\nstorage: {s3: {}}\n')
    const bare = await runTarn(directory, [path])
    t.equal(bare.code, 1, bare.stderr)
    t.match(bare.stderr, new RegExp(`${name}:2`))
    t.same(bare, await runTarn(directory, ['serve', path]))
  }
})

t.test('a reader that goes away is no error', (t) => {
  const status = execFileSync(
    'bash',
    [
      '-c',
      'set -o pipefail; "$1" "$2" --help | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}"',
      'bash',
      process.execPath,
      MAIN,
    ],
    { encoding: 'utf8' },
  )
  t.equal(status.trim(), '0')
  t.end()
})

t.test('an output that cannot be written is an error', (t) => {
  const child = spawn('bash', ['-c', '"$1" "$2" --help >/dev/full', 'bash', process.execPath, MAIN])
  let stderr = ''
  child.stderr.on('data', (part) => (stderr += String(part)))
  child.once('close', (code) => {
    t.equal(code, 1)
    t.match(stderr, /^error: .*ENOSPC.*\nhint: the disk is full\n$/)
    t.end()
  })
})

t.test('a Node that is too old is named, and nothing is begun', async (t) => {
  for (const [old, code] of [
    ['20.20.2', 1],
    ['24.11.9', 1],
    ['24.12.0', 0],
  ] as const) {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${old}' } })`
    const ran = spawnSync(process.execPath, ['--import', `data:text/javascript,${pretend}`, MAIN, '--version'], {
      encoding: 'utf8',
    })
    t.equal(ran.status, code, ran.stderr)
    if (code === 0) continue
    t.equal(ran.stdout, '')
    t.match(ran.stderr, new RegExp(`^error: tarn needs Node 24\\.12 or newer, and this is Node ${old} .*\nhint: .*\n$`))
  }
})

t.test('only old parts of Node are loaded before the Node is known to be new enough', async (t) => {
  const text = readFileSync(MAIN, 'utf8')
  t.same(
    [...text.matchAll(/^import .* from '(.*)'$/gm)].map(([, from]) => from),
    ['node:crypto', 'node:fs'],
  )
})

t.test('the package runs nothing where it is installed', async (t) => {
  const { scripts, files } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>
    files: string[]
  }
  t.same(files, ['dist'], 'scripts/ is not in the package, so that none of it can be run there')
  t.same(
    ['preinstall', 'install', 'postinstall'].filter((name) => name in scripts),
    [],
  )
  t.equal(scripts['prepare'], 'node scripts/link-node.mjs', 'which npm runs in a checkout only')
})
