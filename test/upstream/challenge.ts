import t from 'tap'
import { parseChallenges } from '../../src/upstream/challenge.ts'

function read(header: string | readonly string[] | undefined) {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
}

const CASES: Readonly<Record<string, readonly [string | readonly string[] | undefined, unknown]>> = {
  'no header': [undefined, []],
  'an empty header': ['', []],
  'a scheme alone': ['Negotiate', [['negotiate', {}]]],
  'a Bearer challenge': [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      [
        'bearer',
        { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
      ],
    ],
  ],
  'spaces around': ['  bearer   realm = "a" , service = b  ', [['bearer', { realm: 'a', service: 'b' }]]],
  'escaped characters': ['Basic realm="a\\"b\\\\c"', [['basic', { realm: 'a"b\\c' }]]],
  'an empty value': ['Basic realm=""', [['basic', { realm: '' }]]],
  'several challenges in one line': [
    'Negotiate, Basic realm="x, y", Bearer realm="z",service=s',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x, y' }],
      ['bearer', { realm: 'z', service: 's' }],
    ],
  ],
  'several lines': [
    ['Basic realm="x"', 'Bearer realm="y"'],
    [
      ['basic', { realm: 'x' }],
      ['bearer', { realm: 'y' }],
    ],
  ],
  'a token68': [
    'NTLM TlRMTVNTUAAB==, Basic realm="x"',
    [
      ['ntlm', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  'a comma missing': ['Bearer realm="a" service="b"', [['bearer', { realm: 'a', service: 'b' }]]],
  'a name that comes twice': ['Bearer realm="a",REALM="b"', [['bearer', { realm: 'a' }]]],
  'names of the prototype': [
    'Bearer __proto__="a",constructor="b"',
    [['bearer', { ['__proto__']: 'a', constructor: 'b' }]],
  ],
  'a quote without end': ['Bearer service="a",realm="b', [['bearer', { service: 'a' }]]],
  'a value missing': ['Bearer realm=,service="b"', [['bearer', {}]]],
  'something that is no header': ['"', []],
}

for (const [what, [header, wanted]] of Object.entries(CASES)) {
  t.test(`challenges: ${what}`, async (t) => {
    t.same(read(header), wanted)
  })
}

t.test('challenges: no more than 16 are read, and none of a line longer than 8 KiB', async (t) => {
  t.equal(parseChallenges('Negotiate,'.repeat(100)).length, 16)
  t.equal(parseChallenges(Array.from({ length: 100 }, () => 'Basic realm="x"')).length, 16)
  t.same(parseChallenges(`Bearer realm="${'x'.repeat(9000)}"`), [])
})
