import t from 'tap'
import { Problem } from '../../../src/config/problem.ts'
import { parseSyncFile } from '../../../src/config/sync-file.ts'
import { readArguments } from '../../../src/mirror/sync/arguments.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

t.test('an image on the command line is what an entry with the same words is', async (t) => {
  const entryOf = (text: string) => parseSyncFile(`version: 1\nsync: [{${text}}]`, '', '/').entries[0]
  t.same(readArguments('docker.io/library/alpine:3.20', undefined), entryOf('from: "docker.io/library/alpine:3.20"'))
  t.same(
    readArguments(`quay.io/a@${DIGEST}`, 'b/c:pinned', { platforms: ['linux/amd64'], referrers: false }),
    entryOf(`from: "quay.io/a@${DIGEST}", to: b/c, tag: pinned, platforms: [linux/amd64], referrers: false`),
  )
  t.same(readArguments('quay.io/a:1', 'b/c'), entryOf('from: "quay.io/a:1", to: b/c'))
})

t.test('what is not whole is refused with the way to write it', async (t) => {
  for (const [source, destination, message, hint] of [
    ['alpine:3.20', undefined, 'no image with', 'docker.io/library/alpine:3.20'],
    ['org/app:1', undefined, 'no image with', 'docker.io/org/app:1'],
    ['https://quay.io/a:1', undefined, 'no image with', 'quay.io/org/app:v1'],
    ['quay.io', undefined, 'is a registry', 'sync file'],
    ['quay.io/a', undefined, 'which image', 'quay.io/a:latest'],
    ['quay.io/a:1', 'B', 'no repository of this registry', 'REPOSITORY:TAG'],
    ['quay.io/a:1', 'localhost:5000/b', 'no repository of this registry', 'without the name'],
    ['quay.io/a:1', 'b:', 'no repository of this registry', 'REPOSITORY:TAG'],
    ['quay.io/a:1', `b@${DIGEST}`, 'no repository of this registry', 'REPOSITORY:TAG'],
  ] as const) {
    try {
      readArguments(source, destination)
      t.fail(source)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      t.match(error, { exitCode: 2, message, hint }, source)
    }
  }
})
