// SPDX-License-Identifier: GPL-2.0-or-later
// The suite's command-line client with two additions: it can run named tests only, and it can wait
// before every request of a test but the first. Prints one JSON object, test id -> true or [kind, message].
// usage: client.mjs PACKAGE_DIR BASE_URL SETTLE_MS [TEST_ID...]

import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const [packageDir, baseUrl, settle, ...ids] = process.argv.slice(2)
const root = pathToFileURL(packageDir + '/')
const load = path => import(new URL(path, root))

const { runTests, getResults } = await load('client/runner.mjs')
const { default: suites } = await load('tests/index.mjs')
const { default: surrogate } = await load('tests/surrogate-control.mjs')
const fetch = createRequire(new URL('cli.mjs', root))('node-fetch')

// The field by which the suite numbers the requests of one test, from 1.
function requestNumber (init) {
  const field = (init?.headers ?? []).find(([name]) => name === 'Req-Num')
  return field ? Number(field[1]) : 0
}

async function settledFetch (url, init) {
  if (requestNumber(init) > 1) await sleep(Number(settle))
  return fetch(url, init)
}

const chosen = [...suites, surrogate].map(suite => ({
  ...suite,
  tests: suite.tests.filter(test => ids.length === 0 || ids.includes(test.id))
}))

await runTests(chosen, settledFetch, false, baseUrl)
console.log(JSON.stringify(getResults()))
