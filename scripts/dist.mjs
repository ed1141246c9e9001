// Makes what carries Tarn itself to a machine without network: for each architecture a tar.gz of Node and the program, to be
// unpacked and run, and an image archive for `podman load`. The same checkout makes the same bytes.
//   npm run dist [-- FOLDER] [--base [ARCH=]BASE.tar] [--no-image]        FOLDER is ./release unless told, ARCH this machine's
// The other architecture's Node comes from npm, by the integrity line of the lock file; the bases of the images from Debian's
// packages (scripts/make-base-image.mjs), unless they are given. What cannot be had is left out and said.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const checkout = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (name) => JSON.parse(readFileSync(join(checkout, name), 'utf8'))
const { version } = read('package.json')
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

// The command: finds its own Node wherever it was unpacked, also through a link in /usr/local/bin.
const LAUNCHER = `#!/bin/sh
self=$(readlink -f -- "$0") || exit 1
home=\${self%/bin/tarn}
exec "$home/lib/node" "$home/lib/tarn/src/main.ts" "$@"
`

function main(args) {
  const options = readArguments(args)
  const folder = resolve(options.folder)
  mkdirSync(folder, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'tarn-dist-'))
  try {
    run(process.execPath, [join(checkout, 'scripts/stage-image.mjs'), join(work, 'image')])
    for (const architecture of Object.keys(ARCHITECTURES)) {
      const node = findNode(architecture, work)
      if (node === undefined) continue
      tell(packProgram(architecture, node, work, folder))
      if (options.image) tell(packImage(architecture, node, work, folder, options.bases[architecture]))
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function readArguments(args) {
  const options = { folder: join(checkout, 'release'), bases: {}, image: true }
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--no-image') options.image = false
    else if (args[at] === '--base' && args[at + 1] !== undefined) {
      const [, architecture = process.arch, base] = /^(?:(x64|arm64)=)?(.*)$/s.exec(args[(at += 1)])
      options.bases[architecture] = resolve(base)
    } else if (!args[at].startsWith('-')) options.folder = args[at]
    else {
      console.error(
        `error: ${args[at]} is not known\nhint: npm run dist [-- FOLDER] [--base [ARCH=]BASE.tar] [--no-image]`,
      )
      process.exit(2)
    }
  }
  return options
}

/** The folder of the pinned Node's package for an architecture; undefined when it cannot be had. */
function findNode(architecture, work) {
  const name = `node-linux-${architecture}`
  const here = join(checkout, 'node_modules', name)
  if (existsSync(here)) return here
  const { version: wanted, integrity } = read('package-lock.json').packages[`node_modules/${name}`]
  const folder = join(work, name)
  mkdirSync(folder)
  try {
    const packed = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', `${name}@${wanted}`], folder))
    const file = join(folder, packed[0].filename)
    const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
    if (found !== integrity) throw new Error(`it is not the one of the lock file: ${found}`)
    run('tar', ['-xzf', file, '-C', folder])
    return join(folder, 'package')
  } catch (error) {
    console.error(`note: nothing for ${architecture}: ${name}@${wanted} cannot be had (${firstLine(error)})`)
    return undefined
  }
}

function packProgram(architecture, node, work, folder) {
  const name = `tarn-${version}-linux-${architecture}`
  const root = join(work, 'program', name)
  mkdirSync(join(root, 'bin'), { recursive: true })
  mkdirSync(join(root, 'lib'))
  cpSync(join(work, 'image/root/opt/tarn'), join(root, 'lib/tarn'), { recursive: true })
  rmSync(join(root, 'lib/tarn/tarn.mjs'))
  cpSync(join(node, 'bin/node'), join(root, 'lib/node'))
  chmodSync(join(root, 'lib/node'), 0o755)
  cpSync(join(node, 'LICENSE'), join(root, 'lib/LICENSE.node'))
  cpSync(join(checkout, 'LICENSE'), join(root, 'LICENSE'))
  writeFileSync(join(root, 'bin/tarn'), LAUNCHER, { mode: 0o755 })
  const file = join(folder, `${name}.tar.gz`)
  tar(`${file}.partial`, join(work, 'program'), name)
  // Without the name and the time that gzip would write.
  execFileSync('sh', ['-c', 'gzip -9n < "$1" > "$2"', 'sh', `${file}.partial`, `${file}.gz.partial`])
  rmSync(`${file}.partial`)
  renameSync(`${file}.gz.partial`, file)
  rmSync(root, { recursive: true })
  return file
}

/** Writes docker's archive format by hand: two layers, a config and a manifest. */
function packImage(architecture, node, work, folder, given) {
  const base = given ?? makeBase(work, architecture)
  if (base === undefined) return undefined
  const root = join(work, 'image/root')
  cpSync(join(node, 'bin/node'), join(root, 'usr/local/bin/node'))
  const archive = join(work, `archive-${architecture}`)
  mkdirSync(archive)
  tar(join(archive, 'app.tar'), root, '.')
  cpSync(base, join(archive, 'base.tar'))
  const layers = ['base.tar', 'app.tar']
  const config = JSON.stringify({
    architecture: ARCHITECTURES[architecture],
    os: 'linux',
    created: new Date(epoch() * 1000).toISOString(),
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'NODE_ENV=production'],
      Entrypoint: ['/usr/local/bin/tarn'],
      Cmd: ['serve'],
      ExposedPorts: { '5000/tcp': {} },
      Volumes: { '/var/lib/registry': {} },
      StopSignal: 'SIGTERM',
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${hashFile(join(archive, layer))}`) },
  })
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`
  writeFileSync(join(archive, configName), config)
  const manifest = [{ Config: configName, RepoTags: [`localhost/tarn:${version}`], Layers: layers }]
  writeFileSync(join(archive, 'manifest.json'), JSON.stringify(manifest))
  const file = join(folder, `tarn-${version}-image-linux-${architecture}.tar`)
  tar(`${file}.partial`, archive, 'manifest.json', configName, ...layers)
  renameSync(`${file}.partial`, file)
  rmSync(archive, { recursive: true })
  return file
}

function makeBase(work, architecture) {
  const base = join(work, `base-${architecture}.tar`)
  try {
    run(process.execPath, [join(checkout, 'scripts/make-base-image.mjs'), base, ARCHITECTURES[architecture]])
    return base
  } catch (error) {
    console.error(
      `note: no image for ${architecture}: its base cannot be made here (${firstLine(error)}); give one with --base ${architecture}=BASE.tar`,
    )
    return undefined
  }
}

function tar(file, folder, ...names) {
  const same = ['--sort=name', '--format=gnu', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${epoch()}`]
  run('tar', ['-cf', file, ...same, '-C', folder, ...names])
}

/** SOURCE_DATE_EPOCH, else the time of the last commit, else 0: nothing of the day on which this runs. */
function epoch() {
  if (process.env.SOURCE_DATE_EPOCH) return Number(process.env.SOURCE_DATE_EPOCH)
  try {
    return Number(run('git', ['log', '-1', '--format=%ct'], checkout))
  } catch {
    return 0
  }
}

function hashFile(path) {
  return run('sha256sum', [path]).slice(0, 64)
}

function run(command, args, cwd = checkout) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1e8 })
}

function firstLine({ stderr, message }) {
  return (stderr?.trim() || message).split('\n')[0]
}

function tell(file) {
  if (file !== undefined) console.log(file)
}

main(process.argv.slice(2))
