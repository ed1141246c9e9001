import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parsePlace } from '../../src/exchange/place.ts'

t.test('a place is a kind, a path, and a name where the kind has names', async (t) => {
  t.match(parsePlace('oci:/srv/layout'), { kind: 'oci', path: '/srv/layout', text: 'oci:/srv/layout' })
  t.match(parsePlace('oci:layout:team/app:1'), { kind: 'oci', path: 'layout', name: 'team/app:1' })
  t.match(parsePlace('docker-archive:a.tar:app:1'), { path: 'a.tar', name: 'app:1' })
  t.match(parsePlace('dir:/a:b'), { kind: 'dir', path: '/a:b' })
  t.equal(parsePlace('team/app:1'), undefined)
  t.equal(parsePlace('ocp4/openshift4'), undefined)
})

t.test('a colon belongs to a path that is there', async (t) => {
  const path = join(t.testdir({}), 'with:colon')
  mkdirSync(path)
  t.same(parsePlace(`oci:${path}`), { kind: 'oci', path, text: `oci:${path}` })
})

t.test('a place without a path or with an empty name is wrong usage', async (t) => {
  for (const text of ['oci:', 'data:', 'oci::x', 'oci:x:'])
    t.throws(() => parsePlace(text), { message: /names no path/ }, text)
})
