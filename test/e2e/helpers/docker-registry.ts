// The real registry of distribution (Debian's docker-registry 2.8.2, or registry:3 built with Go) as a
// child process, on a configuration of ours: never on the packaged one, which listens on all interfaces.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { USER, type RegistryProgram } from './tarn.ts'

/** registry:2, or another build of distribution by the path of its binary. */
export function makeDockerRegistryProgram(binary = 'docker-registry'): RegistryProgram {
  return {
    async makeHome(machine, home, hosts, password) {
      for (const folder of ['auth', 'certs', 'data']) await mkdir(join(home, folder), { recursive: true })
      const made = await machine.run('htpasswd', ['-Bin', USER], { input: `${password}\n` })
      await writeFile(join(home, 'auth', 'htpasswd'), made.stdout, { mode: 0o600 })
      const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',')
      const certs = join(home, 'certs')
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
      const ca = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
      await machine.run(
        'openssl',
        ['req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=e2e CA', ...ca],
        { cwd: certs },
      )
      await machine.run(
        'openssl',
        ['req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost'],
        { cwd: certs },
      )
      await writeFile(
        join(certs, 'extensions'),
        `subjectAltName=${names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
      )
      const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions']
      await machine.run('openssl', ['x509', '-req', '-in', 'server.csr', '-out', 'server.crt', ...sign], {
        cwd: certs,
      })
    },
    async serve(machine, configFile, host, prefix) {
      const service = machine.start(binary, ['serve', configFile], {
        prefix,
        env: { REGISTRY_HTTP_ADDR: `${host}:0`, OTEL_TRACES_EXPORTER: 'none' },
      })
      const match = await service.waitFor(/listening on \S+:(\d+)/)
      return { service, port: Number(match[1]) }
    },
  }
}
