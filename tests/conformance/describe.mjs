// SPDX-License-Identifier: GPL-2.0-or-later
// What the suite consists of and the results of other caches that it ships, as one JSON object.
// usage: describe.mjs PACKAGE_DIR

import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const root = pathToFileURL(process.argv[2] + '/')
const load = async path => (await import(new URL(path, root))).default
const read = path => JSON.parse(fs.readFileSync(new URL(path, root), 'utf8'))

const suites = [...await load('tests/index.mjs'), await load('tests/surrogate-control.mjs')]
const peers = await load('results/index.mjs')

console.log(JSON.stringify({
  version: read('package.json').version,
  sections: suites.map(suite => ({
    id: suite.id,
    name: suite.name,
    tests: suite.tests.filter(test => !test.browser_only).map(test => ({
      id: test.id,
      name: test.name,
      kind: test.kind ?? 'required',
      depends_on: test.depends_on ?? []
    }))
  })),
  peers: peers.filter(peer => peer.type !== 'browser').map(peer => ({
    name: peer.name,
    version: peer.version,
    results: read('results/' + peer.file)
  }))
}))
