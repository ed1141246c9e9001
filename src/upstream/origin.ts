// Origins (RFC 6454: scheme, host and port) and when two hosts belong to one owner. Wrong answers here hand
// passwords to strangers: in doubt two hosts are strangers.
import { isIP } from 'node:net'

/** Of a URL that WHATWG's parser made: lower case, default port left out, addresses in their one spelling. */
export function originOf(url: URL): string {
  return `${url.protocol}//${url.host}`
}

/** The host of a URL without port and without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  const host = url.hostname.endsWith('.') ? url.hostname.slice(0, -1) : url.hostname
  return host.startsWith('[') ? host.slice(1, -1) : host
}

export function isLocalhost(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

// Below these anybody can have a name, so each name is an owner of its own. Those of the public suffix list's
// private part that registries, token servers and blob stores are known to live under.
const SHARED = new Set(
  [
    'amazonaws.com amazonaws.com.cn on.aws awsapprunner.com cloudfront.net azurecr.io azurecr.cn azurecr.us',
    'azure.com azure.net azurewebsites.net azureedge.net azurefd.net windows.net cloudapp.net',
    'googleapis.com pkg.dev run.app appspot.com web.app firebaseapp.com googleusercontent.com',
    'cloudflarestorage.com r2.dev workers.dev pages.dev trycloudflare.com fastly.net akamaized.net b-cdn.net',
    'digitaloceanspaces.com ondigitalocean.app ocir.io oraclecloud.com appdomain.cloud icr.io scw.cloud ovh.net',
    'github.io githubusercontent.com gitlab.io jfrog.io vercel.app netlify.app herokuapp.com onrender.com fly.dev',
    'ngrok.io ngrok.app ngrok-free.app backblazeb2.com wasabisys.com aliyuncs.com myqcloud.com bcebos.com',
    'myhuaweicloud.com nip.io sslip.io duckdns.org dyndns.org no-ip.org ddns.net svc.cluster.local',
  ].flatMap((line) => line.split(' ')),
)

// Second levels under which countries register names: co.uk, com.cn, gov.au. Any label of up to three letters
// below a country counts as one as well, so that a name like k8s.io is taken for a country's: too careful, not wrong.
const COUNTRY_SECOND = new Set(['info', 'name', 'asso', 'firm', 'nome', 'gouv', 'govt', 'school'])

/**
 * The part of a DNS name that one owner registered; undefined for addresses, single labels and the names that
 * nobody owns. Knows no full public suffix list, so it answers too long rather than too short a name.
 */
export function registrableOf(host: string): string | undefined {
  const labels = host.toLowerCase().split('.')
  if (isIP(host) !== 0 || isLocalhost(host) || labels.length < 2 || labels.includes('')) return undefined
  for (let length = 2; length <= 3; length += 1) {
    // amazonaws.com has regions and services between itself and its customers: there only the whole name is safe.
    if (SHARED.has(labels.slice(-length).join('.'))) return labels.length > length ? host.toLowerCase() : undefined
  }
  const [second = '', top = ''] = labels.slice(-2)
  const shared = top.length === 2 && (second.length <= 3 || COUNTRY_SECOND.has(second))
  const length = shared ? 3 : 2
  return labels.length < length ? undefined : labels.slice(-length).join('.')
}

/** Whether two hosts have one owner: the same host, or names below the same registered one. */
export function isSameSite(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true
  const site = registrableOf(a)
  return site !== undefined && site === registrableOf(b)
}
