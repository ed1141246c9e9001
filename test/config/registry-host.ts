import t from 'tap'
import { readRegistryHost } from '../../src/config/registry-host.ts'

t.test('the name of a registry is a host with or without a port, in lower case', async (t) => {
  for (const text of ['quay.io', 'registry.corp:5000', 'localhost', '[::1]:5000', '10.0.0.1:80'])
    t.equal(readRegistryHost(text), text)
  t.equal(readRegistryHost('Quay.IO'), 'quay.io')
})

t.test('what is no host, or would be spelled otherwise by clients, is none', async (t) => {
  for (const text of ['', 'quay.io/', 'https://quay.io', 'quay.io:70000', '0x7f.1', 'a_b', 'a b', '-a'])
    t.equal(readRegistryHost(text), undefined, text)
})
