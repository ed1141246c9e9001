// htpasswd-js 1.0.2 ships no types. `file` is left out on purpose: with it the package would read the disk
// at every check.
declare module 'htpasswd-js' {
  export function authenticate(options: { username: string; password: string; data: string }): Promise<boolean>
}
