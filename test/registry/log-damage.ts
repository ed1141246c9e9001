import t from 'tap'
import type { CheckReport, Finding } from '../../src/registry/check.ts'
import { logCheck, logSuspect } from '../../src/registry/log-damage.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Stamp } from '../../src/storage/stamp.ts'

const FOUND: Finding = { kind: 'wrong-bytes', path: 'blobs/x', what: 'its bytes are wrong', outcome: 'quarantined' }
const NOTE: Finding = { kind: 'stray', path: 'x', what: 'it is no part of the layout', outcome: 'found' }

function record(): { readonly lines: string[]; readonly logger: Parameters<typeof logCheck>[0] } {
  const lines: string[] = []
  const write = (level: string) => (_fields: unknown, text?: string) => void lines.push(`${level} ${text}`)
  return { lines, logger: { info: write('info'), warn: write('warn') } as Parameters<typeof logCheck>[0] }
}

function reportOf(findings: Finding[], unrepaired: number): CheckReport {
  const none = { checked: 0 }
  const counts = { blobs: { checked: 0, bytes: 0 }, manifests: none, links: none, repositories: none }
  return { startedAt: '', seconds: 1, fast: false, repair: true, ...counts, findings, unrepaired }
}

t.test('a check that found damage says each thing and what it comes to', async (t) => {
  const { lines, logger } = record()
  logCheck(logger, reportOf([FOUND, NOTE], 1))
  t.same(lines, ['warn check: its bytes are wrong', 'warn check done'])
})

t.test('a check that found none is one line', async (t) => {
  const { lines, logger } = record()
  logCheck(logger, reportOf([NOTE], 0))
  t.same(lines, ['info check done'])
})

t.test('a broken disk does not fill the log', async (t) => {
  const { lines, logger } = record()
  logCheck(
    logger,
    reportOf(
      Array.from({ length: 1000 }, () => FOUND),
      1000,
    ),
  )
  t.equal(lines.length, 101)
})

t.test('a blob that is refused is told with what heals it', async (t) => {
  const { lines, logger } = record()
  logSuspect(logger, { digest: digestOf(Buffer.from('a')), path: '/x', stamp: '1' as Stamp, since: 0 })
  t.match(lines[0], /^warn the bytes of a blob .* tarn check --repair/)
})
