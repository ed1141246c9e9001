import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'

const REFUSED: [name: string, env: Record<string, string>, file: string, message: string][] = [
  ['another driver', { REGISTRY_STORAGE: 'inmemory' }, '', 'REGISTRY_STORAGE: storage.inmemory: not a storage driver'],
  [
    'a bucket beside the directory',
    { REGISTRY_STORAGE_S3_BUCKET: 'hunter2' },
    'storage: {filesystem: {}}',
    'REGISTRY_STORAGE_S3_BUCKET: storage.s3: not',
  ],
  ['token login', { REGISTRY_AUTH_TOKEN_REALM: 'x' }, '', 'REGISTRY_AUTH_TOKEN_REALM: auth.token: token login is not'],
  ['silly login', { REGISTRY_AUTH: 'silly' }, '', 'REGISTRY_AUTH: auth.silly: silly login'],
  ['another kind of login', { REGISTRY_AUTH_LDAP_URL: 'x' }, '', 'REGISTRY_AUTH_LDAP_URL: auth.ldap: not a way'],
  ['login without its file', { REGISTRY_AUTH: 'htpasswd' }, '', 'REGISTRY_AUTH: auth.htpasswd.path: missing'],
  [
    'an empty login over the file’s',
    { REGISTRY_AUTH: '' },
    'auth: {htpasswd: {path: p}}',
    'REGISTRY_AUTH: auth: the variable is empty',
  ],
  [
    'an empty login over the file’s word',
    { REGISTRY_AUTH: '' },
    'auth: htpasswd',
    'REGISTRY_AUTH: auth: the variable is empty',
  ],
  [
    'empty client CAs over the file’s',
    { REGISTRY_HTTP_TLS_CLIENTCAS: '' },
    'http: {tls: {certificate: c, key: k, clientcas: [a]}}',
    'REGISTRY_HTTP_TLS_CLIENTCAS: http.tls.clientcas: the variable is empty',
  ],
  ['a wrong value', { REGISTRY_LOG_LEVEL: 'hunter2' }, '', 'REGISTRY_LOG_LEVEL: log.level: expected one of'],
  [
    'a wrong value of ours',
    { REGISTRY_ACCESS_ANONYMOUS: 'push' },
    '',
    'REGISTRY_ACCESS_ANONYMOUS: access.anonymous: expected',
  ],
  ['the older level', { REGISTRY_LOGLEVEL: 'derp' }, '', 'REGISTRY_LOGLEVEL: log.level: expected one of'],
  ['a word over a section', { REGISTRY_HTTP: 'hunter2' }, '', 'REGISTRY_HTTP: http: expected a section'],
  [
    'a word over a driver',
    { REGISTRY_STORAGE_FILESYSTEM: 'hunter2' },
    '',
    'REGISTRY_STORAGE_FILESYSTEM: storage.filesystem: expected a section',
  ],
  [
    'a word over a list',
    { REGISTRY_ACCESS_ADMINS: 'ann' },
    '',
    'REGISTRY_ACCESS_ADMINS: access.admins: expected a list',
  ],
  ['no YAML where a section stands', { REGISTRY_HTTP: '{a: hunter2' }, '', 'REGISTRY_HTTP: http: not valid YAML'],
  [
    'no YAML where a boolean stands',
    { REGISTRY_HTTP_RELATIVEURLS: '@hunter2' },
    '',
    'REGISTRY_HTTP_RELATIVEURLS: http.relativeurls: not valid YAML',
  ],
  [
    'an index past the end',
    { REGISTRY_ACCESS_ADMINS_1: 'x' },
    '',
    'REGISTRY_ACCESS_ADMINS_1: access.admins: no place in a list of 0',
  ],
  [
    'an index that is no number',
    { REGISTRY_ACCESS_ADMINS_X: 'x' },
    '',
    'REGISTRY_ACCESS_ADMINS_X: access.admins: no place',
  ],
  ['a negative index', { 'REGISTRY_ACCESS_ADMINS_-1': 'x' }, '', 'REGISTRY_ACCESS_ADMINS_-1: access.admins: no place'],
]
for (const [name, env, file, message] of REFUSED) {
  t.test(`a variable is refused by its name and without its value: ${name}`, async (t) => {
    let said = 'nothing was thrown'
    try {
      loadConfig({ path: 'c.yml', env, readFile: () => file })
    } catch (error) {
      said = (error as Error).message
    }
    t.ok(said.startsWith(message), said)
    t.notMatch(said, 'hunter2')
  })
}
