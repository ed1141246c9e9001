// Where the data directory of a registry lies in what a person named: a directory or a tar of it, of the home around it, a
// bundle.
import type { FileTree } from './file-tree.ts'

const MARKER = 'docker/registry/v2'
const PLACES = ['data/', 'storage/data/', 'var/lib/registry/', 'registry/', 'data/registry/']

/** The tree of the data directory in `tree`, and `tree` itself where there is none. Closing it closes `tree`. */
export async function findDataTree(tree: FileTree): Promise<FileTree> {
  if ((await tree.find(MARKER)) !== undefined) return tree
  for (const place of PLACES) if ((await tree.find(`${place}${MARKER}`)) !== undefined) return below(tree, place)
  return tree
}

function below(tree: FileTree, place: string): FileTree {
  return {
    name: tree.name,
    list: (path) => tree.list(`${place}${path}`),
    find: (path) => tree.find(`${place}${path}`),
    open: (path) => tree.open(`${place}${path}`),
    size: (path) => tree.size(`${place}${path}`),
    close: () => tree.close(),
  }
}
