#!/usr/local/bin/node
// What the image runs: Tarn's command, taking also the arguments that registry:2's entry takes. It is a
// file of Node because the image has no shell; it becomes the command itself, as process 1, so signals reach it.
//   (nothing) | serve CONFIG | CONFIG.yml | registry serve CONFIG | any other tarn command
const given = process.argv.slice(2)
if (/^(?:\/bin\/|\/usr\/bin\/|\/usr\/local\/bin\/)?(?:registry|tarn)$/.test(given[0] ?? '')) given.shift()
if (given.length === 0 || /\.ya?ml$/.test(given[0])) given.unshift('serve')

// The kernel gives process 1 no default action for a signal: one that comes before the command listens
// would be lost, and `podman stop` would wait its 10 seconds and kill.
for (const [signal, number] of [
  ['SIGTERM', 15],
  ['SIGINT', 2],
]) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(128 + number)
  })
}

const main = '/opt/tarn/src/main.ts'
process.argv.splice(1, process.argv.length, main, ...given)
await import(main)
