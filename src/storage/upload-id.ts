// Upload ids are UUIDs: distribution never purges a directory of any other name, and nothing else than a
// UUID may reach a path.
export type UploadId = string & { readonly __brand: 'UploadId' }

const GRAMMAR = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUploadId(text: string): text is UploadId {
  return GRAMMAR.test(text)
}
