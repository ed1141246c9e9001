// Makes the root filesystem that the image stands on: the few Debian packages that Node needs, as one
// tar of about 7 MB without shell or package manager. For places where no registry can be reached to pull a
// base from. It takes Debian's packages through apt (which checks their signatures) and never anything else.
//   node scripts/make-base-image.mjs OUT.tar [amd64|arm64]      then: podman import OUT.tar localhost/tarn-base
// For another architecture than this machine's the lists of packages are fetched into a folder of their own: what apt knows of
// this machine stays as it is.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'ca-certificates', 'tzdata']

// Shared libraries, certificates, zones and the licences that must travel with them. gconv (character
// sets) and the vector maths library are what nothing here loads.
const WANTED = [
  /\/(?:lib[^/]*|ld-linux[^/]*)\.so[^/]*$/,
  /^usr\/share\/zoneinfo\/(?!right|posix)/,
  /^usr\/share\/ca-certificates\//,
  /^usr\/share\/doc\/[^/]+\/copyright$/,
]
const UNWANTED = [/\/gconv\//, /\/audit\//, /\/libmvec/, /\/gdb\//]

const FILES = {
  'etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/os-release':
    'ID=debian\nNAME="Debian GNU/Linux (files of a minimal image)"\nPRETTY_NAME="Debian GNU/Linux, minimal"\n',
}

function run(command, args, options = {}) {
  return execFileSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
    ...options,
  })
}

/** The options by which apt is one of a machine of another architecture, with everything that it writes below `place`. */
function foreignApt(architecture, place) {
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(place, name), { recursive: true })
  writeFileSync(join(place, 'status'), '')
  const options = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Dir::State': join(place, 'state'),
    'Dir::State::status': join(place, 'status'),
    'Dir::Cache': join(place, 'cache'),
    'Dir::Etc::sourceparts': debianSources(place),
    'Dir::Etc::sourcelist': '/dev/null',
  }
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}

/** Of the sources of this machine those that are Debian's: others need not have that architecture. */
function debianSources(place) {
  const folder = join(place, 'sources')
  mkdirSync(folder)
  const sources = ['/etc/apt/sources.list', ...listFiles('/etc/apt/sources.list.d')]
  for (const [at, path] of sources.entries()) {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const ending = path.endsWith('.sources') ? 'sources' : 'list'
    const isDebian = (part) => /debian\.org|\/debian(?:-security)?(?:\s|\/|$)/m.test(part.replace(/^#.*$/gm, ''))
    const kept = text.split(ending === 'list' ? '\n' : /\n\s*\n/).filter(isDebian)
    if (kept.length > 0) writeFileSync(join(folder, `${at}.${ending}`), `${kept.join('\n\n')}\n`)
  }
  return folder
}

function listFiles(folder) {
  return existsSync(folder)
    ? readdirSync(folder)
        .toSorted()
        .map((name) => join(folder, name))
    : []
}

/** Downloads the packages into `folder` and unpacks what is wanted of them below `root`. */
function unpackPackages(folder, root, architecture) {
  const own = run('dpkg', ['--print-architecture']).toString().trim()
  const foreign = architecture === undefined || architecture === own ? [] : foreignApt(architecture, `${folder}-apt`)
  if (foreign.length > 0) run('apt-get', [...foreign, 'update', '-q'])
  run('apt-get', [...foreign, 'download', '-q', ...PACKAGES], { cwd: folder })
  for (const name of readdirSync(folder)
    .filter((entry) => entry.endsWith('.deb'))
    .toSorted()) {
    const input = run('dpkg-deb', ['--fsys-tarfile', join(folder, name)])
    run('tar', ['-x', '--keep-directory-symlink', '--no-same-owner', '-C', root], {
      input,
      stdio: 'pipe',
    })
  }
}

/** Removes every file of the packages that is not wanted, then the folders that are empty by that. */
function prune(root, folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) prune(root, path)
    else if (UNWANTED.some((pattern) => pattern.test(path)) || !WANTED.some((pattern) => pattern.test(path)))
      rmSync(join(root, path))
  }
  if (readdirSync(join(root, folder)).length === 0) rmdirSync(join(root, folder))
}

/** One file of all the certificates, as update-ca-certificates would have made it. */
function gatherCertificates(root) {
  const folder = join(root, 'usr/share/ca-certificates/mozilla')
  const bundle = readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true })
  writeFileSync(join(root, 'etc/ssl/certs/ca-certificates.crt'), bundle.join(''))
  rmSync(join(root, 'usr/share/ca-certificates'), { recursive: true })
}

function makeRoot(root) {
  for (const name of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'etc', 'var/lib', 'proc', 'sys', 'dev']) {
    mkdirSync(join(root, name), { recursive: true, mode: 0o755 })
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name))
  for (const [name, mode] of [
    ['root', 0o700],
    ['run', 0o755],
    ['tmp', 0o1777],
    ['var/tmp', 0o1777],
  ]) {
    mkdirSync(join(root, name))
    run('chmod', [mode.toString(8), join(root, name)])
  }
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(root, name), text, { mode: 0o644 })
}

const [out, architecture, ...more] = process.argv.slice(2)
if (out === undefined || more.length > 0 || !['amd64', 'arm64', undefined].includes(architecture)) {
  console.error('error: wrong arguments\nhint: node scripts/make-base-image.mjs OUT.tar [amd64|arm64]')
  process.exit(2)
}

process.umask(0o022)
const scratch = mkdtempSync(join(tmpdir(), 'tarn-base-'))
try {
  const [packages, root] = [join(scratch, 'packages'), join(scratch, 'root')]
  mkdirSync(packages)
  mkdirSync(root, { mode: 0o755 })
  makeRoot(root)
  unpackPackages(packages, root, architecture)
  for (const folder of ['usr/lib', 'usr/share']) prune(root, folder)
  rmSync(join(root, 'etc/ca-certificates'), { recursive: true, force: true })
  rmSync(join(root, 'var/cache'), { recursive: true, force: true })
  gatherCertificates(root)
  // Names sorted, owner and times fixed: the same packages give the same bytes.
  run('tar', [
    '-c',
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-f',
    resolve(out),
    '-C',
    root,
    '.',
  ])
} catch (error) {
  console.error(`error: no base could be made: ${String(error.stderr ?? '').trim() || error.message}`)
  console.error(
    'hint: this needs Debian 12 or newer with apt-get, dpkg-deb and a reachable package mirror (run apt-get update first)',
  )
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
