// crane, oras and regctl, where Go is present: push, pull, copy, tag list, referrers, delete. Each has
// a home of its own; the private CA comes in by the option or variable that the tool documents.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildFixture, digestOf } from './helpers/image-fixture.ts'
import type { Output, RunOptions } from './helpers/machine.ts'
import type { E2EContext, Recorder } from './helpers/suite.ts'
import type { Tarn } from './helpers/tarn.ts'

const TOOLS = ['crane', 'oras', 'regctl'] as const
const TYPE = 'application/vnd.e2e.note'

type Run = (args: readonly string[], options?: RunOptions) => Promise<Output>

/** One row a tool and registry; one skipped row a tool without Go. */
export async function checkGoClients(
  context: E2EContext,
  recorder: Recorder,
  registries: readonly Tarn[],
): Promise<void> {
  for (const tool of TOOLS) {
    const binary = await context.goTool(tool)
    if (binary === undefined) {
      recorder.skip(tool, 'no Go 1.24 or newer here to build it')
      continue
    }
    for (const registry of registries) {
      const over = registry.tls ? 'TLS + htpasswd + private CA' : 'plain http'
      const home = await context.machine.scratch(tool)
      const env = {
        HOME: home,
        DOCKER_CONFIG: home,
        ...(registry.ca === undefined ? {} : { SSL_CERT_FILE: registry.ca }),
      }
      const run: Run = (args, options) => context.machine.run(binary, args, { env, ...options })
      await recorder.check(`${tool} pushes, pulls, copies, lists, refers and deletes over ${over}`, async () => {
        if (tool === 'crane') await checkCrane(context, registry, run, home)
        else if (tool === 'oras') await checkOras(registry, run, home)
        else await checkRegctl(context, registry, run, home)
      })
    }
  }
}

async function checkCrane(context: E2EContext, registry: Tarn, run: Run, home: string): Promise<void> {
  const insecure = registry.tls ? [] : ['--insecure']
  const fixture = await buildFixture(context.machine, home, 'oci-index')
  const repository = `${registry.address}/go/crane`
  if (registry.login !== undefined) {
    const { user, password } = registry.login
    await run(['auth', 'login', registry.address, '-u', user, '--password-stdin'], {
      input: password,
    })
  }
  await run(['push', ...insecure, '--index', fixture.layout, `${repository}:whole`])
  const digest = (await run(['digest', ...insecure, `${repository}:whole`])).text
  await run(['copy', ...insecure, `${repository}:whole`, `${repository}-copy:moved`])
  expectEqual((await run(['digest', ...insecure, `${repository}-copy:moved`])).text, digest, 'digest of the copy')
  await run(['tag', ...insecure, `${repository}:whole`, 'again'])
  expectEqual((await run(['ls', ...insecure, repository])).text, 'again\nwhole', 'tags')
  await run(['pull', ...insecure, '--format', 'oci', `${repository}:whole`, join(home, 'pulled')])
  const index = await readFile(join(home, 'pulled', 'index.json'), 'utf8')
  expectMatch(index, digest, 'digest of what was pulled')
  await run(['validate', ...insecure, '--remote', `${repository}:whole`])
  await run(['delete', ...insecure, `${repository}@${digest}`])
  expectEqual((await run(['ls', ...insecure, repository])).text, '', 'tags after the delete')
}

async function checkOras(registry: Tarn, run: Run, home: string): Promise<void> {
  const reach = registry.ca === undefined ? ['--plain-http'] : ['--ca-file', registry.ca]
  const reachBoth =
    registry.ca === undefined
      ? ['--from-plain-http', '--to-plain-http']
      : ['--from-ca-file', registry.ca, '--to-ca-file', registry.ca]
  const repository = `${registry.address}/go/oras`
  if (registry.login !== undefined) {
    const { user, password } = registry.login
    await run(['login', ...reach, '-u', user, '--password-stdin', registry.address], {
      input: password,
    })
  }
  await writeFile(join(home, 'note.txt'), `note ${digestOf(Buffer.from(home))}\n`)
  const inHome = { cwd: home }
  await run(['push', ...reach, '--artifact-type', TYPE, `${repository}:1`, 'note.txt:text/plain'], inHome)
  await run(['attach', ...reach, '--artifact-type', `${TYPE}.sbom`, `${repository}:1`, 'note.txt:text/plain'], inHome)
  const found = await run(['discover', ...reach, '--format', 'json', `${repository}:1`])
  expectMatch(found.text, `${TYPE}.sbom`, 'referrers')
  await mkdir(join(home, 'pulled'))
  await run(['pull', ...reach, '-o', join(home, 'pulled'), `${repository}:1`])
  const [sent, got] = await Promise.all(
    ['note.txt', 'pulled/note.txt'].map((path) => readFile(join(home, path), 'utf8')),
  )
  expectEqual(got ?? '', sent ?? '', 'file that was pulled')
  await run(['cp', '-r', ...reachBoth, `${repository}:1`, `${repository}-copy:2`])
  expectMatch(
    (await run(['discover', ...reach, '--format', 'json', `${repository}-copy:2`])).text,
    `${TYPE}.sbom`,
    'referrers of the copy',
  )
  expectEqual((await run(['repo', 'tags', ...reach, `${repository}-copy`])).text, '2', 'tags of the copy')
  await run(['manifest', 'delete', ...reach, '--force', `${repository}:1`])
  const gone = await run(['manifest', 'fetch', ...reach, `${repository}:1`], { codes: [0, 1] })
  if (gone.code === 0) throw new Error('the deleted manifest is still there')
}

async function checkRegctl(context: E2EContext, registry: Tarn, run: Run, home: string): Promise<void> {
  const fixture = await buildFixture(context.machine, home, 'oci-zstd-index')
  const repository = `${registry.address}/go/regctl`
  const ca = registry.ca === undefined ? undefined : await readFile(registry.ca, 'utf8')
  const trust = ca === undefined ? ['--tls', 'disabled'] : ['--tls', 'enabled', '--cacert', ca]
  await run(['registry', 'set', registry.address, ...trust, '--skip-check'])
  if (registry.login !== undefined) {
    const { user, password } = registry.login
    await run(['registry', 'login', registry.address, '-u', user, '--pass-stdin'], {
      input: password,
    })
  }
  await run(['image', 'copy', `ocidir://${fixture.layout}:fixture`, `${repository}:1`])
  expectEqual((await run(['image', 'digest', `${repository}:1`])).text, fixture.top.digest, 'digest')
  await run(['artifact', 'put', '--artifact-type', TYPE, '--subject', `${repository}:1`], {
    input: 'a note\n',
  })
  expectMatch((await run(['artifact', 'list', `${repository}:1`])).text, TYPE, 'referrers')
  await run(['image', 'copy', '--referrers', '--digest-tags', `${repository}:1`, `${repository}-copy:1`])
  expectMatch((await run(['artifact', 'list', `${repository}-copy:1`])).text, TYPE, 'referrers of the copy')
  await run(['image', 'copy', `${repository}-copy:1`, `ocidir://${join(home, 'pulled')}:1`])
  const pulled = await readFile(join(home, 'pulled', 'blobs', 'sha256', fixture.top.digest.slice('sha256:'.length)))
  expectEqual(digestOf(pulled), fixture.top.digest, 'digest of what was pulled')
  await run(['image', 'copy', `${repository}:1`, `${repository}:2`])
  await run(['tag', 'delete', `${repository}:2`])
  expectEqual((await run(['tag', 'list', repository])).text, '1', 'tags after the delete of one')
  await run(['manifest', 'delete', `${repository}@${fixture.top.digest}`])
  expectEqual((await run(['tag', 'list', repository])).text, '', 'tags after the delete of the manifest')
}

function expectEqual(got: string, wanted: string, what: string): void {
  if (got !== wanted) throw new Error(`${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`)
}

function expectMatch(text: string, wanted: string, what: string): void {
  if (!text.includes(wanted)) throw new Error(`${what}: no ${wanted} in ${text}`)
}
