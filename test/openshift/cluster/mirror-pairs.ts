import t from 'tap'
import type { FoundRepository } from '../../../src/openshift/cluster/mirror-pairs.ts'
import { locateImage, mergePairs, pairUp, parseSourceOption } from '../../../src/openshift/cluster/mirror-pairs.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'

const REG = parseRegistryName('reg.example.com:5000')
const kept = (source: string): FoundRepository => ({ source, repository: source, release: false, tags: true })
const sides = (pairs: readonly { source: string; mirror: string }[]): string[][] =>
  pairs.map(({ source, mirror }) => [source, mirror.slice('reg.example.com:5000/'.length)])

t.test('a source is a registry, a namespace or a repository, and stands for a repository here', async (t) => {
  t.same(parseSourceOption('quay.io/openshift-release-dev/ocp-release=ocp4/openshift4', REG), {
    source: 'quay.io/openshift-release-dev/ocp-release',
    mirror: 'reg.example.com:5000/ocp4/openshift4',
    // Its tags there are others than here.
    tags: false,
    release: true,
  })
  t.match(parseSourceOption('quay.io/org=reg.example.com:5000/x', REG), {
    source: 'quay.io/org',
    mirror: 'reg.example.com:5000/x',
    tags: true,
    release: false,
  })
  t.match(parseSourceOption('registry-1.docker.io=docker.io', REG), {
    source: 'docker.io',
    mirror: `${REG.name}/docker.io`,
  })
  t.match(parseSourceOption('quay.io', REG), { source: 'quay.io', mirror: `${REG.name}/quay.io` }, 'at its own path')
  t.match(parseSourceOption('localhost:5001/a/b=a/b', REG), { source: 'localhost:5001/a/b' })
  for (const text of [
    '',
    'alpine=x',
    'quay.io/UPPER=x',
    'quay.io/a:tag=x',
    'quay.io/a=X Y',
    'quay.io/a=other.example.com:1/x',
  ]) {
    t.throws(() => parseSourceOption(text, REG), { name: 'Problem', exitCode: 2 }, text)
  }
})

t.test('pairs are as wide as asked for, where the path was kept', async (t) => {
  const found = [
    kept('quay.io/podman/hello'),
    kept('quay.io/podman/stable'),
    kept('registry.k8s.io/pause'),
    kept('quay.io/a/b/c'),
  ]
  t.same(sides(pairUp(found, REG, 'repository')), [
    ['quay.io/a/b/c', 'quay.io/a/b/c'],
    ['quay.io/podman/hello', 'quay.io/podman/hello'],
    ['quay.io/podman/stable', 'quay.io/podman/stable'],
    ['registry.k8s.io/pause', 'registry.k8s.io/pause'],
  ])
  t.same(sides(pairUp(found, REG, 'namespace')), [
    ['quay.io/a/b', 'quay.io/a/b'],
    ['quay.io/podman', 'quay.io/podman'],
    ['registry.k8s.io/pause', 'registry.k8s.io/pause'],
  ])
  t.same(sides(pairUp(found, REG, 'registry')), [
    ['quay.io', 'quay.io'],
    ['registry.k8s.io', 'registry.k8s.io'],
  ])
})

t.test('what was renamed stays by itself, and one that another says already is left out', async (t) => {
  const renamed = {
    source: 'quay.io/openshift-release-dev/ocp-release',
    repository: 'ocp4/openshift4',
    release: true,
    tags: false,
  }
  t.same(sides(pairUp([renamed, kept('quay.io/openshift-release-dev/x')], REG, 'registry')), [
    ['quay.io', 'quay.io'],
    ['quay.io/openshift-release-dev/ocp-release', 'ocp4/openshift4'],
  ])
  const wide = parseSourceOption('quay.io=quay.io', REG)
  const narrow = parseSourceOption('quay.io/podman=quay.io/podman', REG)
  const elsewhere = parseSourceOption('quay.io/podman=other', REG)
  t.same(sides(mergePairs([narrow, wide, wide])), [['quay.io', 'quay.io']])
  t.same(sides(mergePairs([narrow, wide, elsewhere])), [
    ['quay.io', 'quay.io'],
    ['quay.io/podman', 'other'],
    ['quay.io/podman', 'quay.io/podman'],
  ])
})

t.test(
  'what kept its path is said once more beside what was renamed, since the longest source decides alone',
  async (t) => {
    const source = 'quay.io/openshift-release-dev/ocp-release'
    const renamed = { source, repository: 'ocp4/openshift4', release: true, tags: false }
    const pairs = pairUp([renamed, kept(source), kept('quay.io/podman/hello')], REG, 'registry')
    t.same(
      pairs.map(({ source: outside, mirror, tags }) => [outside, mirror.slice(REG.name.length + 1), tags]),
      [
        ['quay.io', 'quay.io', true],
        [source, 'ocp4/openshift4', false],
        [source, source, true],
      ],
    )
  },
)

t.test('an image is looked for where the longest source leads', async (t) => {
  const pairs = ['quay.io=quay.io', 'quay.io/org=here', 'quay.io/org=there'].map((text) => parseSourceOption(text, REG))
  t.same(locateImage(pairs, 'quay.io/org/app'), [`${REG.name}/here/app`, `${REG.name}/there/app`])
  t.same(locateImage(pairs, 'quay.io/organ/app'), [`${REG.name}/quay.io/organ/app`])
  t.same(locateImage(pairs, 'ghcr.io/a/b'), [])
})
