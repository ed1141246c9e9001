// Keys of distribution (and of Tarn's later versions) that are accepted without being used, and keys that must stop
// the start because to ignore them would open the registry or lose data.

/** `silent`: nothing is lost by ignoring it. `ignored`: said once, as a warning. `refused`: an error with its hint. */
export type Unused =
  | { readonly kind: 'silent' }
  | { readonly kind: 'ignored'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string; readonly hint: string }

const SILENT: Unused = { kind: 'silent' }
const LATER: Unused = { kind: 'ignored', why: 'not supported yet, ignored' }
const ignore = (why: string): Unused => ({ kind: 'ignored', why: `ignored: ${why}` })

const DRIVER: Unused = {
  kind: 'refused',
  why: 'not a storage driver of Tarn, which has only filesystem',
  hint: 'write storage: {filesystem: {rootdirectory: /var/lib/registry}}; a bucket becomes such a directory by plain copying',
}

/** By dotted path. A map, so that a key such as `constructor` finds nothing. */
export const UNUSED: ReadonlyMap<string, Unused> = new Map([
  ['storage.cache', SILENT],
  ['storage.redirect', SILENT],
  ['storage.tag', SILENT],
  ['storage.filesystem.maxthreads', SILENT],
  ['storage.inmemory', DRIVER],
  ['storage.s3', DRIVER],
  ['storage.s3aws', DRIVER],
  ['storage.azure', DRIVER],
  ['storage.gcs', DRIVER],
  ['storage.swift', DRIVER],
  ['storage.oss', DRIVER],
  ['auth.none', SILENT],
  [
    'auth.token',
    {
      kind: 'refused',
      why: 'token login is not supported yet, and ignoring it would open the registry',
      hint: 'use auth.htpasswd, or write auth: none to run without login',
    },
  ],
  [
    'auth.silly',
    {
      kind: 'refused',
      why: 'silly login lets everybody in and is not supported',
      hint: 'use auth.htpasswd, or write auth: none to run without login',
    },
  ],
  ['validation.enabled', SILENT],
  ['http.h2c', ignore('Tarn speaks HTTP/1.1 only')],
  ['http.tls.letsencrypt', ignore('set http.tls.certificate and http.tls.key, or put a reverse proxy in front')],
  ['log.hooks', ignore('Tarn sends no mail')],
  ['log.reportcaller', ignore('log lines never name source lines')],
  ['middleware', ignore('Tarn has no middleware')],
  ['reporting', ignore('Tarn reports to nobody')],
  ['compatibility', ignore('schema 1 manifests are served as they are and never made')],
  ['policy', ignore('repositories have no classes here')],
  ['proxy.exec', ignore('Tarn runs no programs; write proxy.username and proxy.password')],
  ['proxy.cachewritetimeout', SILENT],
  ['redis', ignore('Tarn needs no cache beside the data directory')],
  ['notifications', LATER],
  ['ui', LATER],
])
