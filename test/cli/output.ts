import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createOutput, reportError } from '../../src/cli/output.ts'
import { Problem } from '../../src/config/problem.ts'
import { registryError } from '../../src/oci/errors.ts'

function make(options: { json?: boolean; quiet?: boolean } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = createOutput({ stdout, stderr, json: false, quiet: false, ...options })
  return { output, out: () => String(stdout.read() ?? ''), err: () => String(stderr.read() ?? '') }
}

function report(error: unknown): { code: number; text: string } {
  const stderr = new PassThrough()
  return { code: reportError(error, stderr), text: String(stderr.read()) }
}

t.test('results go to stdout, as text or as one JSON document; notes to stderr unless --quiet', (t) => {
  const text = make()
  text.output.result({ a: 1 }, 'one')
  text.output.note('by the way')
  t.same([text.out(), text.err()], ['one\n', 'by the way\n'])
  const json = make({ json: true, quiet: true })
  json.output.result({ a: 1 }, 'one')
  json.output.note('by the way')
  t.same([json.out(), json.err()], ['{"a":1}\n', ''])
  t.end()
})

t.test('a Problem is an error with one hint and its own exit code', (t) => {
  t.same(report(new Problem('no', { hint: 'do' })), { code: 1, text: 'error: no\nhint: do\n' })
  t.same(report(new Problem('no', { exitCode: 4 })), { code: 4, text: 'error: no\n' })
  t.equal(report(registryError('DENIED')).code, 1)
  t.end()
})

t.test('an error of the system is a failure and not a bug', (t) => {
  try {
    readFileSync('/nonexistent/file')
    t.fail('it was read')
  } catch (error) {
    const { code, text } = report(error)
    t.equal(code, 1)
    t.match(text, /^error: ENOENT.*\nhint: check the path\n$/)
  }
  t.end()
})

t.test('whatever else was thrown is a bug of ours: 70, with its stack', (t) => {
  const { code, text } = report(new TypeError('x is not a function'))
  t.equal(code, 70)
  t.match(text, /internal error: TypeError: x is not a function\n +at /)
  t.equal(report('text').code, 70)
  t.equal(report(undefined).code, 70)
  t.end()
})

t.test('errors of listening and of directories say what helps', async (t) => {
  const listen = async (options: object): Promise<string> => {
    const server = createServer()
    server.listen(options)
    const [error] = await once(server, 'error')
    return report(error).text
  }
  t.match(
    await listen({ host: '192.0.2.1', port: 0 }),
    /^error: listen EADDRNOTAVAIL.*\nhint: this machine has no such address/,
  )
  t.match(
    await listen({ host: 'nowhere.invalid', port: 0 }),
    /^error: getaddrinfo E.*\nhint: .*no address of nowhere\.invalid/,
  )
  // Root may listen everywhere, so that the kernel's own words cannot be had here.
  const forbidden = Object.assign(new Error('listen EACCES: permission denied 0.0.0.0:443'), {
    code: 'EACCES',
    syscall: 'listen',
    address: '0.0.0.0',
    port: 443,
  })
  t.match(report(forbidden).text, /\nhint: ports below 1024 need a right .*CAP_NET_BIND_SERVICE\n$/)
  const file = join(t.testdir({ file: '' }), 'file')
  for (const path of [file, join(file, 'below')]) {
    try {
      mkdirSync(path)
      t.fail('it was made')
    } catch (error) {
      t.match(report(error).text, `hint: a file stands where a directory must be; name another directory than ${path}`)
    }
  }
})
