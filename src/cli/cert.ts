// `tarn cert`: looks at the server's certificate and makes a new one with the home's own CA. A running server takes
// it up within seconds.
import { X509Certificate } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { certificateFiles, withLoopback } from '../config/init.ts'
import { describeUnreadable, Problem } from '../config/problem.ts'
import { replaceFile } from '../config/write-file.ts'
import { makeServerCertificate } from '../tls/certificate.ts'
import type { CertificateDescription } from '../tls/describe.ts'
import { describeCertificate, hostsOf } from '../tls/describe.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { configOption, readHome, tlsPaths } from './home.ts'

interface CertOptions {
  readonly config?: string
  readonly host?: readonly string[]
}

/** `tarn cert show|renew`. */
export function certCommand(context: CommandContext): Command {
  const cert = new Command('cert').description('show and renew the certificate of the registry')
  cert
    .command('show')
    .description('names, days left and fingerprint of the certificate and its CA')
    .addOption(configOption())
    .action(async (options: CertOptions, command: Command) => {
      const { certificate } = tlsPaths(readHome(options, command, context))
      const { caCertificate } = certificateFiles(dirname(certificate))
      const now = context.clock()
      const described = describeCertificate(certificate, now).map((entry) => ({ file: certificate, ...entry }))
      if (await isThere(caCertificate)) {
        described.push(...describeCertificate(caCertificate, now).map((entry) => ({ file: caCertificate, ...entry })))
      }
      const text = described.map((entry) => format(entry.file, entry)).join('\n\n')
      outputOf(command, context).result({ certificates: described }, text)
    })
  cert
    .command('renew')
    .description('make a new server certificate with the same CA, the same key and the same names')
    .option('--host <name>', 'names for the new certificate instead of the old ones (can be given again)', collect)
    .addOption(configOption())
    .action(async (options: CertOptions, command: Command) => {
      await renew(options, command, context)
    })
  return cert
}

async function renew(options: CertOptions, command: Command, context: CommandContext): Promise<void> {
  const { certificate, key } = tlsPaths(readHome(options, command, context))
  const { caCertificate, caKey } = certificateFiles(dirname(certificate))
  const ca = { certificate: await read('CA certificate', caCertificate), key: await read('CA key', caKey) }
  const hosts = options.host ?? (await oldHosts(certificate, ca.certificate))
  const oldKey = (await isThere(key)) ? await read('TLS key', key) : undefined
  const made = makeServerCertificate({
    ca,
    hosts: options.host === undefined ? hosts : withLoopback(hosts),
    clock: context.clock,
    random: context.random,
    ...(oldKey === undefined ? {} : { key: oldKey }),
  })
  // The key is kept, so that one rename changes all: a server that starts at any moment finds a pair that fits.
  if (oldKey === undefined) await replaceFile(key, made.key, 0o600)
  await replaceFile(certificate, made.certificate, 0o644)
  const [entry] = describeCertificate(certificate, context.clock())
  if (entry !== undefined) {
    outputOf(command, context).result({ file: certificate, ...entry }, format(certificate, entry))
  }
}

async function oldHosts(certificate: string, ca: string): Promise<string[]> {
  if (!(await isThere(certificate))) {
    throw new Problem(`there is no certificate ${certificate} whose names could be kept`, {
      hint: 'say them: tarn cert renew --host NAME',
      exitCode: 2,
    })
  }
  const old = new X509Certificate(await read('certificate', certificate))
  if (!old.checkIssued(new X509Certificate(ca))) {
    throw new Problem(`${certificate} was not made by the CA beside it, so it is not replaced`, {
      hint: 'have it renewed where it was made, or say --host NAME to replace it with one of this CA',
    })
  }
  return hostsOf(old)
}

function format(file: string, entry: CertificateDescription): string {
  const { subject, issuer, hosts, validTo, daysLeft, fingerprint } = entry
  return [
    `${file}${entry.authority ? '   (CA)' : ''}`,
    `  subject      ${subject}`,
    `  issuer       ${issuer}`,
    ...(hosts.length === 0 ? [] : [`  names        ${hosts.join(', ')}`]),
    `  valid until  ${validTo.slice(0, 10)}, ${daysLeft < 0 ? `ran out ${-daysLeft} days ago` : `${daysLeft} days left`}`,
    `  SHA-256      ${fingerprint}`,
  ].join('\n')
}

async function read(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw describeUnreadable(what, path, error)
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
