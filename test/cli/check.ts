import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { formatCheck } from '../../src/cli/check.ts'
import type { CheckReport } from '../../src/registry/check.ts'
import { NO_FINDINGS } from '../helpers/api.ts'
import { openClient } from '../helpers/client.ts'
import { makeHome, pushLitter } from '../helpers/home.ts'
import { runTarn } from '../helpers/tarn.ts'

const pathOf = (data: string, digest: string): string => {
  const hex = digest.slice('sha256:'.length)
  return join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

function rot(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  writeFileSync(path, bytes)
}

/** A registry with an image, and a copy of its directory from before anything rotted. */
async function makeRegistry(t: Test) {
  const home = makeHome(t)
  const serving = await home.serve()
  const { kept, orphan } = await pushLitter(serving.url)
  const copy = join(home.directory, 'copy')
  cpSync(home.data, copy, { recursive: true })
  return { ...home, serving, kept, orphan, copy, blob: pathOf(home.data, orphan) }
}

t.test('a directory in which nothing is wrong ends with 0', async (t) => {
  const { directory, serving } = await makeRegistry(t)
  const served = await runTarn(directory, ['check'])
  t.equal(served.code, 0, served.stderr)
  t.match(
    served.stdout,
    /^verified 5 blobs \(\d+ B\), 2 manifests, \d+ links in 1 repository in [\d.]+ s\nnothing is wrong$/m,
  )
  await serving.end('SIGTERM')
  const alone = await runTarn(directory, ['--json', 'check', '--fast', 'team/*'])
  t.equal(alone.code, 0, alone.stderr)
  t.match(JSON.parse(alone.stdout), { fast: true, findings: [], unrepaired: 0, repositories: { checked: 1 } })
})

t.test('one flipped bit is told once, as it is found, and by exit code 4', async (t) => {
  const { directory, serving, orphan, blob } = await makeRegistry(t)
  rot(blob)
  const served = await runTarn(directory, ['check'])
  t.equal(served.code, 4, served.stderr)
  t.match(served.stdout, new RegExp(`^found  blob-wrong  .*${orphan}`))
  t.match(
    served.stdout,
    /\nverified .*\n1 finding, 1 of them not repaired\ntarn check --repair heals what can be healed\n$/,
  )
  t.equal(`${served.stdout}${served.stderr}`.split(/^found /m).length - 1, 1)
  t.match(served.stderr, /^(?:phase: .+\n)+$/)
  await serving.end('SIGTERM')
  const alone = await runTarn(directory, ['--json', 'check'])
  t.equal(alone.code, 4)
  const { findings, unrepaired } = JSON.parse(alone.stdout) as CheckReport
  t.equal(unrepaired, 1)
  t.match(findings, [{ digest: orphan, outcome: 'found' }])
})

t.test('--repair heals from another directory, named as the user sees it, through the running registry', async (t) => {
  const { directory, serving, kept, orphan, data, blob } = await makeRegistry(t)
  rot(blob)
  rot(pathOf(data, kept))
  const healed = await runTarn(directory, ['check', '--repair', '--from', 'copy'])
  t.equal(healed.code, 0, healed.stdout + healed.stderr)
  t.match(healed.stdout, /^(?:healed \(.*\) .*\n){2}verified .*\n2 findings, 0 of them not repaired\n$/)
  const client = openClient({ url: serving.url })
  t.teardown(() => client.close())
  t.equal((await client.send('GET', '/v2/team/app/manifests/latest')).status, 200)
  t.equal((await client.send('GET', `/v2/team/app/blobs/${orphan}`)).status, 200)
  t.equal((await runTarn(directory, ['check'])).code, 0)
})

t.test('what cannot be healed is still exit code 4', async (t) => {
  const { directory, serving, blob } = await makeRegistry(t)
  await serving.end('SIGTERM')
  rot(blob)
  const { code, stdout } = await runTarn(directory, ['--quiet', 'check', '--repair'])
  t.equal(code, 4, stdout)
  t.notMatch(stdout, /--repair heals/)
  t.match(stdout, /, 1 of them not repaired\nwhat is left: push .*tarn check --repair --from PATH/)
})

t.test('a source that is not there is an error before anything is read', async (t) => {
  const { directory } = makeHome(t)
  const { code, stderr } = await runTarn(directory, ['check', '--repair', '--from', 'nowhere'])
  t.not(code, 0)
  t.match(stderr, /^error: .*nowhere/m)
  t.match(stderr, /^hint: /m)
})

t.test('a finding is told with its image, its digest and where the good copy came from', async (t) => {
  const text = formatCheck({
    ...NO_FINDINGS,
    fast: true,
    findings: [
      {
        kind: 'tag',
        path: 'p',
        repository: 'a',
        tag: 'v1',
        digest: 'sha256:1',
        what: 'torn',
        outcome: 'healed',
        by: 'trash',
      },
      { kind: 'stray', path: 'some/file\n\u001b[2J', what: 'nobody knows it', outcome: 'found' },
    ],
    unrepaired: 0,
  })
  t.match(
    text,
    /^healed \(trash\)  tag  a:v1 sha256:1  torn\nfound  stray  some\/file\\n\\x1b\[2J  nobody knows it\nlooked at .*\n2 findings, 0 of them not repaired$/,
  )
})
