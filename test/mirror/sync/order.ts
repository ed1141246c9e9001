import t from 'tap'
import { readArguments } from '../../../src/mirror/sync/arguments.ts'
import { isSyncId } from '../../../src/mirror/sync/report-file.ts'
import { ONE_IMAGE, orderFile, orderImage, ownerOf } from '../../../src/mirror/sync/order.ts'

const TEXT = 'version: 1\nsync: [{from: quay.io/a/b, to: b}]\n'

t.test('a file has one id wherever its text goes, and files of one name in two places have two', (t) => {
  const one = orderFile(TEXT, '/etc/daily.yml', '/etc')
  t.match(one.id, /^daily\.yml-[0-9a-f]{8}$/)
  t.equal(one.name, '/etc/daily.yml')
  t.equal(orderFile(`${TEXT}# changed\n`, '/etc/daily.yml', '/etc').id, one.id)
  t.not(orderFile(TEXT, '/srv/daily.yml', '/srv').id, one.id)
  t.end()
})

t.test('the id is a name of a directory, whatever the file is called', (t) => {
  for (const path of ['/a/…/ä b.yml', '/a/.hidden', `/a/${'x'.repeat(300)}.yml`, '/a/$(x);.yml'])
    t.ok(isSyncId(orderFile(TEXT, path, '/a').id), path)
  t.end()
})

t.test('single images share an id and are told apart by their names', (t) => {
  const order = orderImage(readArguments('quay.io/a/b:1', undefined))
  t.match(order, { id: ONE_IMAGE, name: 'quay.io/a/b:1', entries: { length: 1 } })
  t.end()
})

t.test('the parts of a file that run at times of their own are all of that file', (t) => {
  t.equal(ownerOf('daily.yml-0a1b2c3d-4e5f'), 'daily.yml-0a1b2c3d')
  for (const id of ['daily.yml-0a1b2c3d', 'image', 'x-4e5f']) t.equal(ownerOf(id), id)
  t.end()
})
