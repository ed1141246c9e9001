// `tarn cluster doctor HOST:PORT`: would a node of the cluster get its images from this registry?
import type { Command } from 'commander'
import { Option } from 'commander'
import { isIP } from 'node:net'
import type { ImageSource } from '../../config/image-source.ts'
import { parseImageSource } from '../../config/image-source.ts'
import { Problem } from '../../config/problem.ts'
import type { Check } from '../../openshift/cluster/check.ts'
import { examine } from '../../openshift/cluster/doctor.ts'
import type { DoctorOptions } from '../../openshift/cluster/doctor.ts'
import {
  readClusterCa,
  readClusterMirrorSets,
  readClusterPullSecret,
  readClusterRelease,
} from '../../openshift/cluster/live-cluster.ts'
import { locateImage } from '../../openshift/cluster/mirror-pairs.ts'
import type { KubeObject } from '../../openshift/cluster/objects.ts'
import { isObject, readObjects } from '../../openshift/cluster/objects.ts'
import type { Login, PullSecret } from '../../openshift/cluster/pull-secret.ts'
import { loginOf, partOf, readPullSecret } from '../../openshift/cluster/pull-secret.ts'
import type { MirrorSets } from '../../openshift/cluster/read-mirror-sets.ts'
import { readMirrorSets } from '../../openshift/cluster/read-mirror-sets.ts'
import type { RegistryName } from '../../openshift/cluster/registry-name.ts'
import { caKeyOf } from '../../openshift/cluster/registry-name.ts'
import { isRepositoryName } from '../../oci/name.ts'
import { parseTag } from '../../oci/reference.ts'
import type { CommandContext } from '../context.ts'
import { collect, outputOf } from '../context.ts'
import { EXIT } from '../output.ts'
import { askCluster } from './ask-cluster.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { clusterOption, loginOptions, makeCommand, sourceOptions, trustOption } from './options.ts'

interface Options extends GivenOptions {
  readonly address?: string
  readonly existing?: string
  readonly pullSecret?: string
  readonly mirrorSet?: readonly string[]
  readonly image?: readonly string[]
  readonly release?: string
  readonly fromCluster?: true
}

export function doctorCommand(context: CommandContext): Command {
  return makeCommand(
    'doctor',
    'try what a node does: name, certificate, login, images through the mirror set, all components of a release',
    [
      clusterOption('what the cluster knows (certificates, pull secret, mirror sets), read'),
      trustOption(),
      new Option('--existing <file>', 'the cluster’s ConfigMap of certificates'),
      new Option('--pull-secret <file>', 'the cluster’s pull secret'),
      ...loginOptions(),
      new Option('--mirror-set <file>', 'the cluster’s mirror sets (can be given again)').argParser(collect),
      ...sourceOptions(),
      new Option('--image <name>', 'an image by its name outside (can be given again)').argParser(collect),
      new Option(
        '--release <repository:tag>',
        'a release image here, all components of which are tried (default: the newest that is found)',
      ),
      new Option('--address <ip>', 'in the place of what DNS says'),
    ],
    { files: false },
  ).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const registry = given.registry(argument)
    const checks = await examine(await gather(given, registry, options, context))
    const isWell = checks.every(({ state }) => state !== 'failed')
    outputOf(command, context).result({ registry: registry.name, ok: isWell, checks }, checks.map(format).join('\n'))
    if (!isWell) process.exitCode = EXIT.notVerified
  })
}

const WORDS: Readonly<Record<Check['state'], string>> = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', skipped: '-' }

function format({ name, state, what, hint }: Check): string {
  const line = `${WORDS[state].padEnd(8)} ${name}: ${what}`
  return hint === undefined ? line : `${line}\n${' '.repeat(9)}hint: ${hint}`
}

async function gather(
  given: Given,
  registry: RegistryName,
  options: Options,
  context: CommandContext,
): Promise<DoctorOptions> {
  const { address, existing, pullSecret, mirrorSet = [], image = [], fromCluster } = options
  if (address !== undefined && isIP(address) === 0)
    throw new Problem(`not an address: ${address}`, { hint: 'as in --address 192.0.2.7', exitCode: 2 })
  const ask = fromCluster === true ? askCluster() : undefined
  const trust = options.ca === undefined && given.home === undefined ? undefined : given.trust()
  const configMap =
    existing === undefined
      ? ask && (await readClusterCa(ask))
      : readObjects(readFileOf('ConfigMap', existing), existing).at(0)
  const secret =
    pullSecret === undefined
      ? ask && (await readClusterPullSecret(ask))
      : readPullSecret(readFileOf('pull secret', pullSecret), pullSecret)
  const objects = mirrorSet.flatMap((file) => readObjects(readFileOf('mirror set', file), file))
  if (ask !== undefined) objects.push(...(await readClusterMirrorSets(ask)))
  const images = image.map((text) => {
    const parsed = parseImageSource(text)
    if (parsed?.repository !== undefined) return parsed
    throw new Problem(`not an image: ${text}`, { hint: 'as in --image quay.io/org/app@sha256:…', exitCode: 2 })
  })
  const sets = await settleSets(given, registry, options, objects, ask !== undefined)
  const running =
    ask && options.release === undefined ? parseImageSource((await readClusterRelease(ask)) ?? '') : undefined
  if (running?.repository !== undefined) images.push(running)
  return {
    registry,
    address,
    trust,
    clusterTrust: existing === undefined && ask === undefined ? undefined : trustOf(configMap, registry),
    login: (await given.login(registry)) ?? (secret && loginFor(secret, registry)),
    sets,
    images,
    release:
      running === undefined
        ? await findRelease(given, registry, options.release)
        : locateRelease(running, sets, registry),
    clock: context.clock,
    random: context.random,
  }
}

/** '' where the ConfigMap has nothing for this registry. */
function trustOf(configMap: KubeObject | undefined, registry: RegistryName): string {
  const data = configMap?.['data']
  const value = isObject(data) ? data[caKeyOf(registry)] : undefined
  return typeof value === 'string' ? value : ''
}

function loginFor({ auths }: PullSecret, registry: RegistryName): Login | undefined {
  const keys = Object.keys(auths).filter((key) => partOf(key, registry) !== undefined)
  // The one for the whole registry, else the shortest path.
  const [key] = keys.toSorted((a, b) => a.length - b.length)
  return key === undefined ? undefined : loginOf(auths[key] ?? {})
}

/** What the cluster has, where that was given; else what it would be given. */
async function settleSets(
  given: Given,
  registry: RegistryName,
  options: Options,
  objects: readonly KubeObject[],
  asked: boolean,
): Promise<MirrorSets> {
  if (asked || options.mirrorSet !== undefined) return readMirrorSets(objects, registry)
  const pairs = await given.pairs(registry, 'namespace')
  return { digest: pairs, tag: pairs.filter(({ tags }) => tags) }
}

/** Where the release that the cluster runs lies here, as its nodes would look for it. */
function locateRelease(
  { host, repository, digest }: ImageSource,
  { digest: pairs }: MirrorSets,
  registry: RegistryName,
): DoctorOptions['release'] {
  const here = locateImage(pairs, `${host}/${repository}`).map((place) => place.slice(registry.name.length + 1))
  const place = here.find(isRepositoryName)
  if (place === undefined || digest === undefined) return undefined
  return { repository: place, reference: { kind: 'digest', digest }, text: `${place}@${digest}` }
}

async function findRelease(
  given: Given,
  registry: RegistryName,
  text: string | undefined,
): Promise<DoctorOptions['release']> {
  if (text === undefined) {
    const newest = (await given.found())?.releases.at(-1)
    return (
      newest && {
        repository: newest.repository,
        reference: { kind: 'tag', tag: parseTag(newest.tag) },
        text: `${newest.repository}:${newest.tag}`,
      }
    )
  }
  const { repository, tag, digest } =
    parseImageSource(text.startsWith(`${registry.name}/`) ? text : `${registry.name}/${text}`) ?? {}
  if (repository === undefined || (tag === undefined && digest === undefined)) {
    throw new Problem(`not a release image of this registry: ${text}`, {
      hint: 'as in --release ocp4/openshift4:4.14.1-x86_64',
      exitCode: 2,
    })
  }
  return {
    repository,
    reference: digest === undefined ? { kind: 'tag', tag: tag ?? parseTag('latest') } : { kind: 'digest', digest },
    text,
  }
}
