import t from 'tap'
import { formatSyncReport } from '../../src/cli/sync-report.ts'
import type { SyncedImage, SyncReport } from '../../src/mirror/sync/report.ts'
import { countResults } from '../../src/mirror/sync/report.ts'

const image = (tag: string, result: SyncedImage['result'], more: Partial<SyncedImage> = {}): SyncedImage =>
  ({
    from: `up.test/app:${tag}`,
    to: 'lab/app',
    tag,
    result,
    platforms: [],
    missingPlatforms: [],
    bytes: 0,
    seconds: 1,
    ...more,
  }) as SyncedImage

function reportOf(images: readonly SyncedImage[], more: Partial<SyncReport> = {}): SyncReport {
  return {
    dryRun: false,
    id: 's',
    name: 's.yml',
    startedAt: '',
    seconds: 4,
    outcome: 'done',
    images,
    pruned: [],
    counts: countResults(images),
    blobs: 2,
    bytes: 8_000_000,
    planned: { blobs: 2, bytes: 8_000_000 },
    ...more,
  }
}

t.test('each image has its line, with its bytes and the reason, and all of it stands below', (t) => {
  const text = formatSyncReport(
    reportOf([
      image('v1', 'copied', { bytes: 8_000_000, missingPlatforms: ['linux/s390x'] }),
      image('v2', 'failed', { why: 'up.test does not have it' }),
      image('v3', 'here'),
    ]),
  )
  t.match(text, /^IMAGE +RESULT +BYTES +REASON\n/)
  t.match(text, /lab\/app:v1 +copied +8\.00 MB +without linux\/s390x\n/)
  t.match(text, /lab\/app:v2 +failed +up\.test does not have it\n/)
  t.match(text, /lab\/app:v3 +here *\n/)
  t.match(text, /\n3 images: 1 copied, 1 here, 1 failed\nfetched: 2 blobs, 8\.00 MB, in 4\.0 s, 2\.00 MB\/s$/)
  t.end()
})

t.test('where very many images were here already only the others are named', (t) => {
  const here = Array.from({ length: 21 }, (_, at) => image(`old${at}`, 'here'))
  const text = formatSyncReport(reportOf([...here, image('new', 'copied')]))
  t.notMatch(text, /old3/)
  t.match(text, /lab\/app:new +copied/)
  t.match(text, /22 images: 1 copied, 21 here/)
  t.match(formatSyncReport(reportOf(here, { blobs: 0, bytes: 0 })), /^21 images: 21 here\nnothing fetched, in 4\.0 s$/)
  t.end()
})

t.test('what could not be listed is named as its upstream has it', (t) => {
  const text = formatSyncReport(
    reportOf([{ ...image('', 'failed', { from: 'up.test/team', to: '', why: 'no answer' }), tag: undefined } as never]),
  )
  t.match(text, /\nup\.test\/team +failed +no answer\n/)
  t.end()
})

t.test('what was pruned, what was held back, and what ended the run are told', (t) => {
  const gone = { tags: [{ tag: 'old', digest: 'sha256:0' }], share: 0.5, maxShare: 0.1, isHeld: false } as never
  const text = formatSyncReport(
    reportOf([], {
      outcome: 'failed',
      fault: { message: 'no space left for the data directory', hint: 'free some' },
      pruned: [
        { ...(gone as object), to: 'lab/a', removed: ['old'] } as never,
        {
          ...(gone as object),
          to: 'lab/b',
          removed: [],
          isHeld: true,
          why: 'more than prune.maxShare would go',
        } as never,
      ],
    }),
  )
  t.match(text, /removed {2}lab\/a: old\n/)
  t.match(
    text,
    /not removed {2}lab\/b: old {2}\(more than prune\.maxShare would go\)\nto remove them all the same: --prune\n/,
  )
  t.match(text, /\nended before its end: no space left for the data directory\nhint: free some$/)
  t.match(formatSyncReport(reportOf([], { outcome: 'stopped' })), /stopped before its end; the next run goes on$/)
  t.end()
})

t.test('what an upstream writes cannot move the cursor of a terminal', (t) => {
  const text = formatSyncReport(reportOf([image('v1', 'failed', { why: 'bad\u001b[2J' })]))
  t.notOk(text.includes('\u001b'))
  t.end()
})
