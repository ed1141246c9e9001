import t from 'tap'
import { resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Rules } from '../../src/registry/context.ts'
import { makeRules } from '../../src/registry/rules.ts'

const rulesOf = (config: ConfigInput): Rules => makeRules(resolveConfig(config), () => undefined)
const urls = (rules: { allow?: string[]; deny?: string[] }): Rules['allowsUrl'] =>
  rulesOf({ validation: { manifests: { urls: rules } } }).allowsUrl

function child(architecture?: string, os = 'linux'): Descriptor {
  const bare = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf(Buffer.from('x')), size: 1 }
  return architecture === undefined ? bare : { ...bare, platform: { architecture, os } }
}

t.test('by default nothing may be deleted, manifests are whole, and children may be elsewhere', async (t) => {
  const rules = rulesOf({})
  t.equal(rules.deleteEnabled, false)
  t.equal(rules.requiresWhole, true)
  t.equal(rules.allowsUrl, undefined)
  t.equal(rules.requiresChild(child('amd64')), false)
})

t.test('a url must be allowed where some are named, and must not be denied', async (t) => {
  const allow = urls({ allow: ['^https://([^/]+\\.)?example\\.com/'] })
  t.equal(allow?.('https://a.example.com/x'), true)
  t.equal(allow?.('https://example.org/x'), false)
  const deny = urls({ deny: ['^http://'] })
  t.equal(deny?.('https://x/'), true)
  t.equal(deny?.('http://x/'), false)
  const both = urls({ allow: ['example'], deny: ['/secret/'] })
  t.same(
    ['https://example/a', 'https://example/secret/a', 'https://other/'].map((url) => both?.(url)),
    [true, false, false],
  )
})

t.test('children are required all, none, or of the named platforms', async (t) => {
  const requires = (platforms: 'all' | 'none' | 'list'): Rules['requiresChild'] =>
    rulesOf({
      validation: { manifests: { indexes: { platforms, platformlist: [{ architecture: 'amd64', os: 'linux' }] } } },
    }).requiresChild
  const children = [child('amd64'), child('amd64', 'windows'), child('arm64'), child()]
  t.same(children.map(requires('all')), [true, true, true, true])
  t.same(children.map(requires('none')), [false, false, false, false])
  t.same(children.map(requires('list')), [true, false, false, false])
})

t.test('validation.disabled gives up every check of a manifest’s parts', async (t) => {
  const rules = rulesOf({
    validation: { disabled: true, manifests: { urls: { deny: ['.'] }, indexes: { platforms: 'all' } } },
  })
  t.equal(rules.requiresWhole, false)
  t.equal(rules.allowsUrl, undefined)
  t.equal(rules.requiresChild(child('amd64')), false)
})
