import t from 'tap'
import { compileGlob, isGlob } from '../../src/oci/glob.ts'

const NAMES = ['app', 'team/app', 'team/x/app', 'team/app-1', 'v1.2', 'team']

const match = (glob: string): string[] => NAMES.filter(compileGlob(glob))

t.test('one star stays between slashes, two go over them', async (t) => {
  t.same(match('*'), ['app', 'v1.2', 'team'])
  t.same(match('**'), NAMES)
  t.same(match('team/*'), ['team/app', 'team/app-1'])
  t.same(match('team/**'), ['team/app', 'team/x/app', 'team/app-1'])
  t.same(match('**/app'), ['app', 'team/app', 'team/x/app'])
})

t.test('a question mark, a set and a choice are as in a shell; a dot is a dot', async (t) => {
  t.same(match('v?.2'), ['v1.2'])
  t.same(match('v[0-9].2'), ['v1.2'])
  t.same(match('{app,team/x/*}'), ['app', 'team/x/app'])
  t.same(match('v1?2'), ['v1.2'])
})

t.test('without such a character it matches itself alone', async (t) => {
  t.same(match('team/app'), ['team/app'])
  t.same(match('v1.2'), ['v1.2'])
  t.same(match(''), [])
  t.same(['a/b', 'v1.2-x_y', '*', 'a?', '{a', 'a]', '!a'].map(isGlob), [false, false, true, true, true, true, true])
})
