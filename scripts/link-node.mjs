// Makes node_modules/.bin/node point at the pinned Node, so that every npm script runs on it even
// where the system's Node is older. npm 11 links it by itself; npm 9 and 10 leave the name empty
// because two optional packages (x64, arm64) share it. Runs on the system's Node (20 is enough).
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST = 24

const modules = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules')
const pinned = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node')
const link = join(modules, '.bin', 'node')

if (existsSync(pinned)) {
  mkdirSync(dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(relative(dirname(link), pinned), link)
} else if (Number(process.versions.node.split('.')[0]) < OLDEST) {
  console.error(
    `error: Node ${process.versions.node} is too old and no pinned Node exists for ${process.platform}-${process.arch}`,
  )
  console.error(`hint: install Node ${OLDEST}.12 or newer, or use linux on x64 or arm64 where npm brings it along`)
  process.exit(1)
}
