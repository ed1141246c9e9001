// The schedule of a running registry from the outside: what it will do, what it does, the end of it, and the metrics.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { ReportOf } from '../../src/http/api/routes.ts'
import { formatStatus } from '../../src/cli/sync-status.ts'
import type { Gateway } from '../helpers/gateway.ts'
import { openClient } from '../helpers/client.ts'
import { findSocket, keeperSince } from '../helpers/home.ts'
import { pushLayers } from '../helpers/mirror.ts'
import { setSyncScene } from '../helpers/sync.ts'
import { runTarn } from '../helpers/tarn.ts'

type Status = ReportOf<'GET /sync'>

async function setScene(t: Test) {
  const scene = await setSyncScene(t, 'mirror: {anonymous: true, sync: [{file: s.yml}]}\n')
  const { client, home, write } = scene
  await pushLayers(client, 'team/app', [Buffer.alloc(1000, 1)], { reference: 'v1' })
  write('{from: HOST/team/app, to: lab/app, schedule: "0 3 * * *"}')
  const serving = await home.serve()
  await findSocket(home.data)
  const status = async (): Promise<Status> =>
    JSON.parse((await runTarn(home.directory, ['--json', 'sync', '--status'])).stdout) as Status
  return { ...scene, serving, status }
}

/** Holds blobs back at their second half; `held` resolves when the first is. */
function holdBlobs(gateway: Gateway) {
  const { promise: held, resolve: tell } = Promise.withResolvers<void>()
  const { promise: until, resolve: release } = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => {
    if (!url.includes('/blobs/')) return undefined
    tell()
    return { after: 500, until }
  }
  const go = (): void => {
    gateway.hold = undefined
    release()
  }
  return { held, release: go }
}

t.test('the schedule is shown, a sync of it runs by its id, and its end is kept and counted', async (t) => {
  const { home, serving, status } = await setScene(t)
  const before = await status()
  t.match(before, { running: [], problems: [], scheduled: [{ entries: 1, schedule: '0 3 * * *', last: null }] })
  const next = new Date(before.scheduled[0]?.nextAt ?? '')
  t.equal(next.getHours(), 3)
  const id = before.scheduled[0]?.id ?? ''
  t.match((await runTarn(home.directory, ['sync', '--status'])).stdout, /nothing is being synced\n\nSCHEDULED/)

  const ran = await runTarn(home.directory, ['--json', 'sync', 's.yml'])
  t.equal(ran.code, 0, ran.stderr)
  t.match((await status()).scheduled[0]?.last, { outcome: 'done', counts: { copied: 1 } })
  const client = openClient({ url: serving.url })
  t.teardown(() => client.close())
  const text = (await client.send('GET', '/metrics')).body.toString()
  t.match(text, 'tarn_sync_runs_total{outcome="done"} 1')
  t.match(text, 'tarn_sync_images_total{result="copied"} 1')
  t.match(text, `tarn_sync_last_run_failed{sync="${id}"} 0`)
  t.match(text, new RegExp(`tarn_sync_last_success_timestamp_seconds\\{sync="${id}"\\} \\d+`))
  t.match(text, `tarn_sync_next_run_timestamp_seconds{sync="${id}"} `)
  t.match(text, 'tarn_sync_running 0')
})

t.test('a sync that runs is shown with its progress, does not run twice, and is ended', async (t) => {
  const { gateway, home, status } = await setScene(t)
  const { held, release } = holdBlobs(gateway)
  const run = runTarn(home.directory, ['--json', 'sync', 's.yml'])
  await held
  const shown = await status()
  t.match(shown.running, [{ by: 'request', isEnding: false, progress: { phase: 'fetch' } }])
  t.match((await runTarn(home.directory, ['sync', 's.yml'])).stderr, /under way/)
  const stopped = await runTarn(home.directory, ['sync', '--stop'])
  t.match(stopped.stdout, /^ending: s\.yml-/)
  release()
  const { code, stdout } = await run
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { outcome: 'stopped' })
  t.same((await status()).running, [])
  t.match((await runTarn(home.directory, ['sync', '--stop'])).stdout, /no sync runs/)
  const again = await runTarn(home.directory, ['--json', 'sync', 's.yml'])
  t.equal(again.code, 0, again.stderr)
})

t.test(
  'a registry that is killed leaves a sync that was cut off, and the next life tries all of it again',
  async (t) => {
    const { client, gateway, home, serving, status } = await setScene(t)
    t.equal((await runTarn(home.directory, ['sync', 's.yml'])).code, 0)
    await pushLayers(client, 'team/app', [Buffer.alloc(1000, 2)], { reference: 'v2' })
    const { held, release } = holdBlobs(gateway)
    const run = runTarn(home.directory, ['sync', 's.yml'])
    await held
    t.match((await status()).scheduled[0]?.last, { outcome: 'running' }, 'and not how the run before ended')
    const before = keeperSince(home.data)
    await serving.end('SIGKILL')
    release()
    t.match(await run, { code: 1, stderr: /the registry ended before its work did/ })
    t.match((await status()).others, [{ outcome: 'cutOff' }], 'also where no registry runs')

    const next = await home.serve()
    await findSocket(home.data, before)
    t.match((await status()).scheduled[0]?.last, { outcome: 'cutOff', counts: { copied: 0 } })
    t.match((await runTarn(home.directory, ['sync', '--status'])).stdout, /was cut off, .* ago/)
    const metrics = openClient({ url: next.url })
    t.teardown(() => metrics.close())
    t.match((await metrics.send('GET', '/metrics')).body.toString(), /tarn_sync_last_run_failed\{sync="[^"]+"\} 1/)
    const missing = await runTarn(home.directory, ['--json', 'sync', 's.yml', '--missing'])
    t.equal(missing.code, 0, missing.stderr)
    t.match(JSON.parse(missing.stdout), { counts: { here: 1, copied: 1 } })
    t.match((await status()).scheduled[0]?.last, { outcome: 'done' })
  },
)

t.test('a file that cannot be read is told and does not keep the registry from serving', async (t) => {
  const { home, write, status } = await setScene(t)
  writeFileSync(join(home.directory, 's.yml'), 'version: 1\nsync: [{frm: x}]\n')
  t.match(await status(), { scheduled: [{ entries: 1 }], problems: [{ problem: /frm/ }] })
  write('{from: HOST/team/app, to: lab/app}')
  t.match(await status(), { scheduled: [], problems: [] })
})

t.test('the status for people names what runs, what comes, and what cannot be read', async (t) => {
  const now = Date.parse('2026-11-26T12:00:00Z')
  const counts = { copied: 1, moved: 0, completed: 0, here: 0, kept: 0, failed: 2 }
  const last = {
    id: 'a',
    name: 'a',
    startedAt: '2026-11-26T11:00:00Z',
    seconds: 5,
    outcome: 'partly',
    counts,
    blobs: 1,
    bytes: 1,
  } as const
  const text = formatStatus(
    {
      running: [
        {
          id: 'b',
          name: 'b.yml',
          startedAt: '',
          by: 'schedule',
          isEnding: false,
          progress: { phase: 'fetch', done: 1, total: 4, bytes: 1_000_000, totalBytes: 4_000_000 },
          ended: 1,
          failed: 1,
        },
      ],
      scheduled: [
        {
          file: 'a',
          id: 'a',
          name: 'a.yml',
          entries: 1,
          schedule: '0 2 * * *',
          nextAt: '2026-11-26T14:00:00Z',
          missedAt: null,
          isWaiting: false,
          last,
        },
        {
          file: 'c',
          id: 'c',
          name: 'c.yml',
          entries: 1,
          schedule: '0 2 * * *',
          nextAt: null,
          missedAt: null,
          isWaiting: true,
          last: null,
        },
        {
          file: 'e',
          id: 'e',
          name: 'e.yml',
          entries: 1,
          schedule: '0 2 * * *',
          nextAt: '2026-11-26T12:01:00Z',
          missedAt: '2026-11-26T02:00:00Z',
          isWaiting: false,
          last: null,
        },
      ],
      others: [{ ...last, id: 'e', name: 'e.yml', outcome: 'cutOff', counts: { ...counts, failed: 0 } }],
      problems: [{ file: 'd.yml', problem: 'no such file' }],
    },
    now,
  )
  t.match(text, /b\.yml +by schedule +fetch +1\/4, 1 failed/)
  t.match(text, /BY COMMAND.*\ne\.yml +e +was cut off, .* ago/)
  t.match(text, /a\.yml +a +0 2 \* \* \* +in 2.*partly.* ago +2 images failed/)
  t.match(text, /c\.yml .*waits for its window +never/)
  t.match(text, /e\.yml .*in (?:1m|60 s|1 min)[^,]*, missed 10 ?h.* ago +never/)
  t.match(text, /not used as it is: d\.yml: no such file/)
})
