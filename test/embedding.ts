// The examples of docs/embedding.md, taken out of the page and run as they stand there.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import bcrypt from 'bcryptjs'
import t from 'tap'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '..')
const page = readFileSync(join(ROOT, 'docs', 'embedding.md'), 'utf8')
const [first = '', second = ''] = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code)

/** The example with the package's name replaced by the source, and lines added that show what it does. */
async function runExample(directory: string, code: string, more: string): Promise<string> {
  const source = pathToFileURL(join(ROOT, 'src', 'index.ts')).href
  const fastify = pathToFileURL(join(ROOT, 'node_modules', 'fastify', 'fastify.js')).href
  const text = code.replaceAll("'tarn'", `'${source}'`).replaceAll("'fastify'", `'${fastify}'`)
  writeFileSync(join(directory, 'example.ts'), `${text}\n${more}`)
  const { stdout } = await run(process.execPath, ['example.ts'], { cwd: directory, timeout: 300_000 })
  return stdout
}

t.test('the first example serves a registry behind its login', async (t) => {
  const directory = t.testdir({ htpasswd: `ann:${await bcrypt.hash('secret', 4)}\n` })
  const stdout = await runExample(
    directory,
    first,
    `const login = 'Basic ' + btoa('ann:secret')
    const answers = [await fetch(address + '/v2/'), await fetch(address + '/v2/', { headers: { authorization: login } })]
    console.log(answers.map((answer) => answer.status).join(' '))
    await registry.close()`,
  )
  t.match(stdout, /^serving http:\/\/127\.0\.0\.1:\d+\/v2\/\n401 200\n$/)
})

t.test('the second example registers into an instance that keeps its own routes and pages', async (t) => {
  const directory = t.testdir({})
  const stdout = await runExample(
    directory,
    second.replace('port: 8080', 'port: 0'),
    `const answers = []
    for (const path of ['/hello', '/v2/', '/v2/_catalog', '/v2/a/manifests/b', '/elsewhere']) {
      const { statusCode, headers } = await app.inject(path)
      answers.push(statusCode + (headers['docker-distribution-api-version'] ? '*' : ''))
    }
    console.log(answers.join(' '))
    await app.close()`,
  )
  t.equal(stdout, '200 200* 200* 404* 404\n')
})

t.test('a wrong key is an error that names it', async (t) => {
  const { createRegistry } = await import('../src/index.ts')
  await t.rejects(createRegistry({ config: { access: { anonymus: 'pull' } } as object }), { message: /anonymus/ })
})
