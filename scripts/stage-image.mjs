// Lays out the image's files in a folder that is the whole build context: sources, the packages that the
// lock file names for production (taken from node_modules, so no network), the pinned Node, the default
// configuration. It must never take anything else along: no auth/, certs/, storage/, tests or development packages.
//   node scripts/stage-image.mjs FOLDER
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const checkout = dirname(dirname(fileURLToPath(import.meta.url)))
const NODE_PACKAGE = `node_modules/node-${process.platform}-${process.arch}`
const SOURCES = ['src', 'package.json', 'package-lock.json', 'LICENSE']

/**
 * The folders of all packages that production needs, by the lock file: what the declared dependencies lead to. (The marks
 * `dev` and `optional` of the lock depend on which npm wrote it.) The pinned Node goes elsewhere.
 */
function listPackages() {
  const { packages } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'))
  const found = new Set()
  const visit = (folder, names) => {
    for (const name of names) {
      const place = findPlace(packages, folder, name)
      if (place === undefined || found.has(place)) continue
      found.add(place)
      const { dependencies = {}, optionalDependencies = {} } = packages[place]
      visit(place, Object.keys({ ...dependencies, ...optionalDependencies }))
    }
  }
  visit('', Object.keys(packages[''].dependencies))
  return [...found].filter((folder) => !packages[folder].optional || existsSync(join(checkout, folder)))
}

/** Where a package that is asked for in `folder` lies: there, or in a folder above, as Node looks for it. */
function findPlace(packages, folder, name) {
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const place = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (packages[place] !== undefined) return place
    if (at === '') return undefined
  }
}

/** Copies one package without those nested in it: they have their own line in the lock file. */
function copyPackage(folder, root) {
  const from = join(checkout, folder)
  const nested = join(from, 'node_modules')
  cpSync(from, join(root, folder), { recursive: true, filter: (path) => path !== nested })
}

/** Directories 0755, files 0644 or 0755, whatever the checkout's umask was: any user must be able to read them. */
function openModes(folder) {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) openModes(path)
    else if (entry.isFile()) chmodSync(path, PROGRAMS.has(entry.name) ? 0o755 : 0o644)
  }
}
const PROGRAMS = new Set(['node', 'tarn.mjs'])

function stage(root) {
  const app = join(root, 'opt/tarn')
  for (const name of ['usr/local/bin', 'usr/bin', 'etc/docker/registry', 'var/lib/registry', 'opt/tarn']) {
    mkdirSync(join(root, name), { recursive: true })
  }
  for (const name of SOURCES) cpSync(join(checkout, name), join(app, name), { recursive: true })
  for (const folder of listPackages()) copyPackage(folder, app)
  cpSync(join(checkout, NODE_PACKAGE, 'bin/node'), join(root, 'usr/local/bin/node'))
  cpSync(join(checkout, NODE_PACKAGE, 'LICENSE'), join(app, 'LICENSE.node'))
  cpSync(join(checkout, 'scripts/image/tarn.mjs'), join(app, 'tarn.mjs'))
  cpSync(join(checkout, 'scripts/image/config.yml'), join(root, 'etc/docker/registry/config.yml'))
  openModes(root)
  symlinkSync('/opt/tarn/tarn.mjs', join(root, 'usr/local/bin/tarn'))
  symlinkSync('/opt/tarn/tarn.mjs', join(root, 'usr/bin/registry'))
  // A new volume takes this directory's mode: the group root may write, for --user N and OpenShift's any-uid:0.
  chmodSync(join(root, 'var/lib/registry'), 0o775)
}

const folder = process.argv[2]
if (folder === undefined || process.argv.length > 3) {
  console.error('error: wrong number of arguments\nhint: node scripts/stage-image.mjs FOLDER')
  process.exit(2)
}
const target = resolve(folder)
if (existsSync(target) && readdirSync(target).length > 0) {
  console.error(`error: ${target} is not empty\nhint: name a new folder: everything in it would go into the image`)
  process.exit(1)
}
if (!existsSync(join(checkout, NODE_PACKAGE))) {
  console.error(`error: ${NODE_PACKAGE} is not there\nhint: run npm ci first, on linux x64 or arm64`)
  process.exit(1)
}
stage(join(target, 'root'))
