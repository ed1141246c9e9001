import t from 'tap'
import { parseImageName } from '../../src/exchange/image-name.ts'

const HEX = 'a'.repeat(64)

t.test('names are read as programs write them', async (t) => {
  const names: Readonly<Record<string, object>> = {
    v1: { tag: 'v1' },
    'docker.io/library/busybox:1.36': { host: 'docker.io', repository: 'library/busybox', tag: '1.36' },
    'localhost/app:1': { host: 'localhost', repository: 'app', tag: '1' },
    'localhost:5000/app:1': { host: 'localhost:5000', repository: 'app', tag: '1' },
    '[::1]:5000/app:1': { host: '[::1]:5000', repository: 'app', tag: '1' },
    'team/app': { repository: 'team/app', tag: 'latest' },
    'app:1': { repository: 'app', tag: '1' },
    [`team/app@sha256:${HEX}`]: { repository: 'team/app', digest: `sha256:${HEX}` },
    [`team/app:1@sha256:${HEX}`]: { repository: 'team/app', tag: '1', digest: `sha256:${HEX}` },
  }
  for (const [text, name] of Object.entries(names)) t.same(parseImageName(text), name, text)
})

t.test('what is no name is none', async (t) => {
  for (const text of [
    '',
    ':',
    'app:',
    ':1',
    '../x:1',
    'a//b:1',
    'UPPER/app:1',
    'app:1:2',
    'app@sha256:short',
    'a b:1',
    'app@x@y',
  ])
    t.equal(parseImageName(text), undefined, text)
})
