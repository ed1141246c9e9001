// registries.yaml of k3s and RKE2 in the hands of the code that reads it there: rancher's own library parses it and pulls
// through it, on a host that has nothing but the files of `tarn cluster nodes`. Only where Go is.
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pushMirrored } from '../../helpers/mirrored-release.ts'
import type { Machine } from '../helpers/machine.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { findCommand } from '../install.ts'
import { must } from '../mirror/scene.ts'
import { COMPONENTS, configure, makeRelease, makeSite, REPOSITORY } from './site.ts'

/** The library of k3s and RKE2. */
const LIBRARY = 'github.com/rancher/wharfie@v0.7.1'

/** Reads the file as k3s does, refuses keys that it does not know, and pulls the images through it, every byte. */
const PROGRAM = `package main

import (
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/rancher/wharfie/pkg/registries"
	"gopkg.in/yaml.v2"
)

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	need(err)
	need(yaml.UnmarshalStrict(text, &registries.Registry{}))
	private, err := registries.GetPrivateRegistries(os.Args[1])
	need(err)
	for _, text := range os.Args[2:] {
		ref, err := name.ParseReference(text)
		need(err)
		image, err := private.Image(ref)
		need(err)
		digest, err := image.Digest()
		need(err)
		layers, err := image.Layers()
		need(err)
		bytes := int64(0)
		for _, layer := range layers {
			reader, err := layer.Compressed()
			need(err)
			count, err := io.Copy(io.Discard, reader)
			need(err)
			need(reader.Close())
			bytes += count
		}
		fmt.Println(text, digest, bytes)
	}
}
`

export async function checkRancher(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const row = 'registries.yaml of k3s and RKE2: their own library takes it and pulls a component of quay.io through it'
  if ((await findCommand('go')) === undefined) {
    recorder.skip(row, 'Go is not here')
    return
  }
  const site = await makeSite(context)
  const release = await makeRelease()
  // Under another name than outside: the rewrite must lead there.
  const registry = await site.makeRegistry(5000, 'david', (url) => pushMirrored(release, REPOSITORY, { url }))
  await registry.start()
  const [component] = release.components
  const image = `${COMPONENTS}@${component?.digest}`
  await recorder.check(row, async () => {
    const program = await build(machine)
    for (const runtime of ['k3s', 'rke2']) {
      const node = await site.makeNode()
      await mkdir(join(node.etc, 'rancher', runtime), { recursive: true })
      const login = ['--user', 'david', '--password-file', registry.passwordFile]
      await configure(site, machine, node, registry, ['--runtime', runtime, ...login])
      const pulled = await machine.run(program, [`/etc/rancher/${runtime}/registries.yaml`, image], {
        prefix: node.prefix,
      })
      const { layers } = JSON.parse(component?.image.top.bytes.toString() ?? '') as { layers: { size: number }[] }
      const bytes = layers.reduce((sum, { size }) => sum + size, 0)
      must(pulled.text.includes(`${image} ${component?.digest} ${bytes}`), pulled.text)
      // One that proves nothing would take anything.
      const broken = join(node.etc, 'broken.yaml')
      await writeFile(broken, 'mirrors:\n  "*": {endpoints: ["https://registry.site.example:5000"]}\n')
      const refused = await machine.run(program, ['/etc/broken.yaml', image], { prefix: node.prefix, codes: [1] })
      must(/endpoints not found/.test(refused.stderr), refused.stderr)
    }
  })
  await registry.stop()
}

/** Builds the program outside the checkout. */
async function build(machine: Machine): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'tarn-e2e-go-modules')
  const folder = await machine.scratch('rancher')
  await writeFile(join(folder, 'go.mod'), 'module judge\n')
  await writeFile(join(folder, 'main.go'), PROGRAM)
  const go = (...args: string[]) =>
    machine.run('go', args, {
      env: { GOMODCACHE: cache, GOFLAGS: '-modcacherw -mod=mod' },
      cwd: folder,
      timeout: 300_000,
    })
  await go('get', LIBRARY)
  await go('build', '-o', 'judge', '.')
  return join(folder, 'judge')
}
