// What a person must do with a fresh registry: make clients trust it, and keep a copy of what cannot be made again.

export interface TrustOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly caCertificate: string
}

/** Lines that make podman, docker, the whole system and curl trust the registry at `host`. */
export function describeTrust({ host, port, user, caCertificate }: TrustOptions): string[] {
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return [
    'Clients trust it with a copy of the CA certificate (as root, on each client):',
    `  podman, skopeo, buildah  install -D -m 644 ${caCertificate} /etc/containers/certs.d/${name}/ca.crt`,
    `  docker                   install -D -m 644 ${caCertificate} /etc/docker/certs.d/${name}/ca.crt`,
    `  system (Debian)          cp ${caCertificate} /usr/local/share/ca-certificates/tarn.crt && update-ca-certificates`,
    `  system (Red Hat)         cp ${caCertificate} /etc/pki/ca-trust/source/anchors/tarn.crt && update-ca-trust`,
    `  curl                     curl --cacert ${caCertificate} -u ${user} https://${name}/v2/_catalog`,
  ]
}

/** Lines that say what to back up. */
export function describeBackup(paths: { auth: string; certs: string; data: string; config: string }): string[] {
  return [
    'Back up (a cluster that trusts this registry knows its CA and its logins):',
    `  ${paths.auth}  ${paths.certs}  ${paths.config}   small, secret, cannot be made again`,
    `  ${paths.data}   the images, as any registry:2 reads them`,
  ]
}
