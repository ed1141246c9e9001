// Options that the commands of `tarn release` share, and what they come to.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import { parseReleaseName } from '../../openshift/release-reference.ts'
import { GRAPH_URL } from '../../openshift/update-graph.ts'
import { collect } from '../context.ts'
import { configOption } from '../home.ts'

export interface ReleaseOptions {
  readonly channel?: string
  readonly releaseVersion?: string
  readonly arch: string
  readonly graphUrl: string
  readonly image?: string
  readonly signatureStore?: readonly string[]
  readonly authfile?: string
  readonly ca?: string
  readonly insecure?: readonly string[]
  readonly plainHttp?: readonly string[]
  readonly config?: string
}

/** Adds the options that say where a release is and how its registry is reached. */
export function addReleaseOptions(command: Command): Command {
  const options = [
    new Option('--channel <name>', 'a channel of the update service in the place of an image: stable-4.18'),
    new Option('--release-version <version>', 'the version in it: 4.18.3 (also --version)'),
    new Option('--arch <arch>', 'of the channel: amd64, arm64, ppc64le, s390x, multi').default('amd64'),
    new Option('--graph-url <url>', 'another update service').default(GRAPH_URL),
    new Option('--image <repository:tag>', 'which image of an archive it is, where that cannot be told'),
    new Option(
      '--signature-store <url>',
      'a store of signatures beside those of the payload (can be given again)',
    ).argParser(collect),
    new Option('--authfile <file>', 'logins in docker’s form, such as a pull secret'),
    new Option('--ca <file>', 'certificates of the authority of the registries that are named'),
    new Option('--insecure <host>', 'a registry whose certificate is not verified (can be given again)').argParser(
      collect,
    ),
    new Option('--plain-http <host>', 'a registry that speaks plain HTTP (can be given again)').argParser(collect),
    configOption(),
  ]
  for (const option of options) command.addOption(option)
  return command
}

/** What all acts are asked with. Throws a Problem for a name that is none. */
export function readCommon(from: string, options: ReleaseOptions) {
  const { image, signatureStore, authfile, ca, insecure, plainHttp } = options
  parseReleaseName(from, image)
  return {
    from: absolute(from),
    ...(image !== undefined && { image }),
    ...(signatureStore !== undefined && { stores: [...signatureStore] }),
    ...(authfile !== undefined && { authFile: resolve(authfile) }),
    ...(ca !== undefined && { ca: resolve(ca) }),
    ...(insecure !== undefined && { insecure: [...insecure] }),
    ...(plainHttp !== undefined && { plainHttp: [...plainHttp] }),
  }
}

/** The registry runs in a directory of its own. */
export function absolute(name: string): string {
  const [, kind, path = ''] = /^(dir|data|bundle):(.+)$/s.exec(name) ?? []
  return kind === undefined ? name : `${kind}:${resolve(path)}`
}

/** Throws a Problem unless an image or a channel with a version is named, and not both. */
export function requireOneSource(from: string | undefined, { channel, releaseVersion: version }: ReleaseOptions): void {
  if ((from === undefined) === (channel === undefined) || (channel === undefined) !== (version === undefined)) {
    throw new Problem('it is not said which release', {
      hint: 'name its image, such as quay.io/openshift-release-dev/ocp-release:4.18.3-x86_64, or --channel stable-4.18 --version 4.18.3',
      exitCode: 2,
    })
  }
}
