import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readLookaside } from '../../src/config/lookaside.ts'

t.test('scopes of all files are read, by the new and the old word, and other files are not', async (t) => {
  const directory = t.testdir({
    'default.yaml': 'default-docker:\n  sigstore-staging: file:///var/lib/x\n',
    'redhat.yaml': 'docker:\n  registry.redhat.io: {sigstore: https://access.redhat.com/sigstore}\n',
    'own.yaml': 'docker:\n  quay.io/org: {lookaside: file:///srv/sigs, use-sigstore-attachments: true}\n',
    'notes.txt': ': no yaml',
    'empty.yaml': '',
  })
  t.same(Object.fromEntries(readLookaside(directory)), {
    'registry.redhat.io': 'https://access.redhat.com/sigstore',
    'quay.io/org': 'file:///srv/sigs',
  })
  t.equal(readLookaside(join(directory, 'gone')).size, 0)
})

t.test('what cannot be understood names the file', async (t) => {
  for (const text of ['a: b: c', 'docker: 5', 'docker: {x.io: 5}', 'docker: {x.io: {lookaside: ftp://x}}', '- a']) {
    const directory = t.testdir({ 'x.yaml': text })
    t.throws(() => readLookaside(directory), { message: /x\.yaml/, hint: /registries\.d/ }, text)
  }
  const directory = t.testdir({ 'a.yaml': 'default-docker: {lookaside: https://a}' })
  writeFileSync(join(directory, 'b.yaml'), 'default-docker: {lookaside: https://b}')
  t.throws(() => readLookaside(directory), /b\.yaml.*another file/)
})
