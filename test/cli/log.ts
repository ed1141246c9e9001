import { execFileSync } from 'node:child_process'
import t from 'tap'

const LOG = new URL('../../src/cli/log.ts', import.meta.url).href
const WHAT = { method: 'GET', path: '/v2/a b/"x"', status: 200, agent: 'podman/5 (linux)' }

/** What a logger of that configuration writes to stderr, in a process of its own. */
function write(config: object, act: string): string[] {
  const code = `
    import { createLog } from ${JSON.stringify(LOG)}
    const { logger: log, access } = createLog(${JSON.stringify({ level: 'info', formatter: 'text', fields: {}, accesslog: { disabled: false }, ...config })})
    ${act}`
  // Its stderr comes back as the stdout of the shell, whose own words stay where they are.
  const text = execFileSync('sh', ['-c', 'exec "$0" --input-type=module -e "$1" 2>&1', process.execPath, code], {
    encoding: 'utf8',
  })
  return text.split('\n').filter((line) => line !== '')
}

t.test('text is logrus’s form: time, level, msg, then the rest, quoted where it must be', async (t) => {
  const [line = '', ...others] = write({}, `log.info(${JSON.stringify(WHAT)}, 'request')`)
  t.same(others, [])
  t.match(line, /^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info msg=request /)
  t.ok(line.endsWith('method=GET path="/v2/a b/\\"x\\"" status=200 agent="podman/5 (linux)"'), line)
})

t.test('levels go by logrus’s names, and what is below the configured one is left out', async (t) => {
  const all = `for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) log[level](level)`
  const levels = (level: string) => write({ level }, all).map((line) => / level=(\w+) /.exec(line)?.[1])
  t.same(levels('debug'), ['debug', 'info', 'warning', 'error', 'fatal'])
  t.same(levels('warn'), ['warning', 'error', 'fatal'])
})

t.test('a line break or a control character cannot begin a line of its own', async (t) => {
  const evil = 'a\nlevel=error msg=forged\r\u001b[2J'
  const lines = write({}, `log.info({ path: ${JSON.stringify(evil)} }, ${JSON.stringify(evil)})`)
  t.equal(lines.length, 1)
  for (const control of ['\r', '\u001b']) t.notOk(lines[0]?.includes(control), JSON.stringify(control))
})

t.test('the access log reads as the other lines do, in both forms, and keeps to the level', async (t) => {
  const act = `access(${JSON.stringify({ ...WHAT, ms: 3 })})`
  const [text] = write({ fields: { service: 'registry' } }, act)
  t.match(text, /^time=\S+Z level=info msg=request method=GET path="\/v2\/a b\/\\"x\\"" status=200 /)
  t.match(text, / ms=3 service=registry$/)
  const [json = ''] = write({ formatter: 'json', fields: { service: 'registry' } }, act)
  t.match(JSON.parse(json), { ...WHAT, ms: 3, level: 30, msg: 'request', service: 'registry', time: /Z$/ })
  t.same(write({ level: 'warn' }, act), [])
  t.equal(write({}, `access({ path: 'a\\nlevel=error', agent: '\\u001b[2J' })`).length, 1)
})

t.test('a line without a message has no empty one', async (t) => {
  const [line] = write({}, `log.info({ status: 1 })`)
  t.match(line, /^time=\S+ level=info status=1$/)
})

t.test('json is one object a line, with the configured fields', async (t) => {
  const lines = write(
    { formatter: 'json', fields: { service: 'registry', site: 'a' } },
    `log.warn(${JSON.stringify(WHAT)}, 'request'); log.info('x')`,
  )
  t.equal(lines.length, 2)
  t.match(JSON.parse(lines[0] ?? ''), { ...WHAT, msg: 'request', service: 'registry', site: 'a', time: /^\d{4}-/ })
})

t.test('the configured fields are in the text too', async (t) => {
  t.match(write({ fields: { service: 'registry' } }, `log.info('x')`)[0], / msg=x service=registry$/)
})

t.test('an error is logged with its stack', async (t) => {
  const [line] = write({}, `log.error({ err: new Error('broken disk') }, 'request failed')`)
  t.match(line, /msg="request failed" err="\{.*broken disk.*stack/)
})

t.test('what was logged just before the process ends is written', async (t) => {
  const lines = write({}, `for (let i = 0; i < 100; i += 1) log.info({ i }, 'x'); process.exit(0)`)
  t.match(lines.at(-1), / i=99$/)
})
