import t from 'tap'
import { caKeyOf, parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'

t.test('a registry is named as image names begin', async (t) => {
  t.same(parseRegistryName('Reg.example.com:5000'), {
    name: 'reg.example.com:5000',
    host: 'reg.example.com',
    port: 5000,
  })
  t.same(parseRegistryName('reg.example.com'), { name: 'reg.example.com', host: 'reg.example.com', port: 443 })
  t.same(parseRegistryName('[::1]:5000'), { name: '[::1]:5000', host: '::1', port: 5000 })
  for (const text of ['https://reg.example.com', 'reg.example.com/ocp4', '', 'a b', 'reg', 'reg:99999999']) {
    t.throws(() => parseRegistryName(text), { name: 'Problem', exitCode: 2 }, text)
  }
})

t.test('its key in the ConfigMap has two dots before the port', async (t) => {
  t.equal(caKeyOf(parseRegistryName('reg.example.com:5000')), 'reg.example.com..5000')
  t.equal(caKeyOf(parseRegistryName('reg.example.com')), 'reg.example.com')
  t.throws(() => caKeyOf(parseRegistryName('[::1]:5000')), { name: 'Problem' }, 'no colon can be in a key')
})
