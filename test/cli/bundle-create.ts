import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { makeHome } from '../helpers/home.ts'
import { pushImage } from '../helpers/push.ts'
import { runTarn } from '../helpers/tarn.ts'

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

t.test('a running registry and the directory at rest give the same bundle', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  await pushImage(client, 'team/b', 'two', { reference: 'v1' })
  const served = await runTarn(directory, ['bundle', 'create', 'served.tar'])
  t.equal(served.code, 0, served.stderr)
  t.match(
    served.stdout,
    /served\.tar {2}[\d.]+ KB\n2 images of 2 repositories in 4 blobs \(.*\)\nbundle 1, [0-9a-f]{12}, unsigned/,
  )
  const jobs = JSON.parse((await runTarn(directory, ['--json', 'bundle', 'create', 'x.tar', 'team/a'])).stdout)
  t.match(jobs, { images: 1, repositories: 1, signed: false, parts: 1, plainTar: true })
  await serving.end('SIGTERM')
  const alone = await runTarn(directory, ['bundle', 'create', 'alone.tar'])
  t.equal(alone.code, 0, alone.stderr)
  t.equal(hashOf(join(directory, 'alone.tar')), hashOf(join(directory, 'served.tar')))
  t.notOk(readdirSync(directory).some((name) => name.endsWith('.partial')))
})

t.test('a sync file selects what it means, as it lies here', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  for (const [repository, tag] of [
    ['quay.io/a/app', 'v1'],
    ['quay.io/a/app', 'v2'],
    ['quay.io/a/app', 'v3'],
    ['team/b', 'stable'],
    ['team/c', 'v1'],
  ] as const)
    await pushImage(client, repository, `${repository} ${tag}`, { reference: tag })
  writeFileSync(
    join(directory, 'monthly.yml'),
    `version: 1
sync:
  - {from: quay.io/a/app, tags: {semver: ">=1", newest: 2}}
  - {from: docker.io/library/b:1.2, to: team/b, tag: stable}
`,
  )
  const served = await runTarn(directory, ['bundle', 'create', 'served.tar', '--sync', 'monthly.yml'])
  t.equal(served.code, 0, served.stderr)
  t.match(served.stdout, /3 images of 2 repositories/)
  const shown = await runTarn(directory, ['bundle', 'inspect', 'served.tar'])
  t.match(shown.stdout, /quay\.io\/a\/app:v2 [^]*quay\.io\/a\/app:v3 [^]*team\/b:stable /)
  const more = await runTarn(directory, ['--json', 'bundle', 'create', 'x.tar', 'team/c', '--sync', 'monthly.yml'])
  t.match(JSON.parse(more.stdout), { images: 4, repositories: 3 })
  writeFileSync(join(directory, 'gone.yml'), 'version: 1\nsync: [{from: quay.io/a/gone}, {from: quay.io/a/app:v9}]\n')
  const partly = await runTarn(directory, ['bundle', 'create', 'x.tar', '--sync', 'gone.yml', '--sync', 'monthly.yml'])
  t.equal(partly.code, 3)
  t.match(partly.stderr, /warning: nothing here is called quay\.io\/a\/gone\n/)
  t.match(partly.stderr, /warning: nothing here is called quay\.io\/a\/app:v9\n/)
  const nothing = await runTarn(directory, ['bundle', 'create', 'none.tar', '--sync', 'gone.yml'])
  t.equal(nothing.code, 1)
  t.match(nothing.stderr, /error: nothing here is called quay\.io\/a\/app:v9, quay\.io\/a\/gone/)
  writeFileSync(join(directory, 'wrong.yml'), 'version: 1\nsync: [{form: quay.io/a/app}]\n')
  for (const [file, message] of [
    ['wrong.yml', /wrong\.yml/],
    ['no.yml', /cannot read the sync file no\.yml/],
  ] as const) {
    const run = await runTarn(directory, ['bundle', 'create', 'none.tar', '--sync', file])
    t.not(run.code, 0)
    t.match(run.stderr, message)
  }
  await serving.end('SIGTERM')
  const alone = await runTarn(directory, ['bundle', 'create', 'alone.tar', '--sync', 'monthly.yml'])
  t.equal(alone.code, 0, alone.stderr)
  t.equal(hashOf(join(directory, 'alone.tar')), hashOf(join(directory, 'served.tar')))
  t.notOk(existsSync(join(directory, 'none.tar')))
})

t.test('what matches nothing is told by exit code 3, and nothing at all by 1', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  const some = await runTarn(directory, ['bundle', 'create', 'x.tar', 'team/a', 'team/gone'])
  t.equal(some.code, 3)
  t.match(some.stderr, /warning: nothing here is called team\/gone/)
  const none = await runTarn(directory, ['bundle', 'create', 'none.tar', 'team/gone'])
  t.equal(none.code, 1)
  t.match(none.stderr, /error: nothing here is called team\/gone\nhint: see what is here: tarn ls/)
  t.notOk(existsSync(join(directory, 'none.tar')))
})

t.test('parts of another size that an earlier bundle of this name left are told, and left alone', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  for (let at = 0; at < 4; at++) await pushImage(client, 'team/a', 'x'.repeat(40_000 + at), { reference: `v${at}` })
  mkdirSync(join(directory, 'out'))
  const first = await runTarn(directory, ['bundle', 'create', 'out/x.tar', '--part-size', '130kB'])
  t.equal(first.code, 0, first.stderr)
  t.notMatch(first.stderr, /left by an earlier bundle/)
  const before = readdirSync(join(directory, 'out')).filter((name) => name.includes('.part-'))
  t.ok(before.length > 1)
  const second = await runTarn(directory, ['--json', 'bundle', 'create', 'out/x.tar'])
  t.equal(second.code, 0, second.stderr)
  t.match(second.stderr, /warning: left by an earlier bundle of this name, and no part of this one: \S+\.part-0001-of-/)
  t.same(
    (JSON.parse(second.stdout) as { left: string[] }).left,
    before.map((name) => join(directory, 'out', name)),
  )
  t.same(
    readdirSync(join(directory, 'out')).filter((name) => name.includes('.part-')),
    before,
  )
})

t.test('wrong words are told before anything is done', async (t) => {
  const { directory } = makeHome(t)
  for (const [args, message] of [
    [['x.tar', '--part-size', 'big'], /"big" is no size of a part/],
    [['x.tar', '--sequence', '0'], /"0" is no number of a bundle/],
    [['no/such/x.tar'], /there is no directory/],
    [['.'], /is a directory/],
    [['x.tar', '--with-tarn', '.'], /Tarn itself is not in/],
    [['x.tar', 'A:B:C'], /names no image/],
    [['x.tar', '--against', 'config.yml'], /tells nothing of the far side/],
  ] as const) {
    const run = await runTarn(directory, ['bundle', 'create', ...args])
    t.equal(run.code, 2, run.stderr)
    t.match(run.stderr, message)
  }
})

t.test('a key beside the htpasswd file signs; one that others may read does not', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  const made = await runTarn(directory, ['bundle', 'keygen', '--type', 'ecdsa'])
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /^tarn namespaces="tarn-bundle" ecdsa-sha2-nistp256 AAAA\S+\n$/)
  t.equal((await runTarn(directory, ['bundle', 'keygen'])).code, 1, 'there is one already')
  const signed = await runTarn(directory, ['bundle', 'create', 'x.tar'])
  t.match(signed.stdout, /, signed\n$/)
  writeFileSync(join(directory, 'auth/allowed_signers'), made.stdout)
  const verified = await runTarn(directory, ['bundle', 'verify', 'x.tar'])
  t.equal(verified.code, 0, verified.stderr)
  chmodSync(join(directory, 'auth/bundle.key'), 0o644)
  const open = await runTarn(directory, ['bundle', 'create', 'y.tar'])
  t.match(open.stderr, /others than its owner may use the key .*\nhint: run: chmod 600/)
})

t.test('against an inventory only what is missing is carried, with the next number', async (t) => {
  const [here, far] = [makeHome(t), makeHome(t)]
  const serving = await here.serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  await runTarn(here.directory, ['bundle', 'create', 'first.tar', '--sequence', '7'])
  const first = join(here.directory, 'first.tar')
  const applied = await runTarn(far.directory, ['bundle', 'apply', first])
  t.equal(applied.code, 0, applied.stderr)
  const inventory = join(far.directory, 'inventory.json')
  t.match(
    (await runTarn(far.directory, ['bundle', 'inventory'])).stdout,
    /2 blobs \(.*\), the last bundle was number 7/,
  )
  await pushImage(client, 'team/a', 'two', { reference: 'v2' })
  for (const against of [inventory, first]) {
    const run = await runTarn(here.directory, ['--json', 'bundle', 'create', 'second.tar', '--against', against])
    t.equal(run.code, 0, run.stderr)
    t.match(JSON.parse(run.stdout), { sequence: 8, images: 1, blobs: { carried: 2, needed: 0 } })
  }
  const again = await runTarn(far.directory, ['bundle', 'apply', join(here.directory, 'second.tar')])
  t.equal(again.code, 0, again.stderr)
  t.match(again.stdout, /1 of 1 images? (?:is|are) here/)
})

t.test('SOURCE_DATE_EPOCH is the time of every entry', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  const env = { SOURCE_DATE_EPOCH: '1000000000' }
  const run = await runTarn(directory, ['--json', 'bundle', 'create', 'x.tar'], '', env)
  t.equal((JSON.parse(run.stdout) as { created: string }).created, '2001-09-09T01:46:40.000Z')
  const listed = execFileSync('tar', ['-tvf', join(directory, 'x.tar'), '--utc', '--full-time']).toString()
  t.ok(
    listed
      .trim()
      .split('\n')
      .every((line) => line.includes(' 2001-09-09 01:46:40 ')),
  )
})

t.test('Tarn itself goes beside the bundle, with sums and words for the far side', async (t) => {
  const { directory, serve } = makeHome(t)
  const serving = await serve()
  const client = openClient(serving)
  t.teardown(() => client.close())
  await pushImage(client, 'team/a', 'one', { reference: 'v1' })
  const [release, out] = [join(directory, 'release'), join(directory, 'out')]
  mkdirSync(release)
  mkdirSync(out)
  for (const name of ['tarn-9.9.9-linux-x64.tar.gz', 'tarn-9.9.9-image-linux-x64.tar', 'other.txt']) {
    writeFileSync(join(release, name), name)
  }
  const run = await runTarn(directory, ['bundle', 'create', 'out/x.tar', '--with-tarn', 'release'])
  t.equal(run.code, 0, run.stderr)
  t.same(readdirSync(out).toSorted(), [
    'README.txt',
    'SHA256SUMS',
    'tarn-9.9.9-image-linux-x64.tar',
    'tarn-9.9.9-linux-x64.tar.gz',
    'x.tar',
  ])
  t.match(execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: out }).toString(), /README.txt: OK/)
  const readme = readFileSync(join(out, 'README.txt'), 'utf8')
  t.match(readme, /tar -xzf \/media\/tarn-9\.9\.9-linux-x64\.tar\.gz -C \/opt/)
  t.match(readme, /bundle apply --config \/opt\/registry\/config\.yml \/media\/x\.tar/)
  rmSync(release, { recursive: true })
})
