/* SPDX-License-Identifier: MIT */
/*
 * suite.js: tests one after the other, each with a bound in time. The last line is the one that the
 * library check writes, so that ./check counts them. Time limits are multiplied by $ADIT_TEST_SLOW.
 */
'use strict'

const path = require('node:path')

const SLOW = Number(process.env.ADIT_TEST_SLOW || 1)
const WAIT_MS = 60000 * SLOW
const TEST_MS = 400000 * SLOW

const tests = []
const test = (name, run) => tests.push({ name, run })

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms) })

/* Polls until CONDITION answers something true, which it returns; WHAT completes the complaint. What it
 * throws last is shown. */
async function wait(what, condition, ms = WAIT_MS) {
	const end = Date.now() + ms
	let thrown = ''
	for (;;) {
		try {
			const value = await condition()
			if (value)
				return value
			thrown = ''
		} catch (e) {
			thrown = ` (${e.message})`
		}
		if (Date.now() > end)
			throw new Error(`gave up waiting until ${what}${thrown}`)
		await pause(100)
	}
}

async function bounded(run) {
	let timer
	const late = new Promise((resolve, reject) => {
		timer = setTimeout(() => reject(new Error(`not done after ${TEST_MS / 1000} s`)), TEST_MS)
	})
	try {
		await Promise.race([run(), late])
	} finally {
		clearTimeout(timer)
	}
}

class Skip extends Error {}

/* Ends a test that can't run here; REASON says what it needs. */
function skip(reason) {
	throw new Skip(reason)
}

/* PICK: only tests whose name has this text. Ends the process. */
async function runAll(pick = process.argv[2] || '') {
	let failures = 0
	const chosen = tests.filter((t) => t.name.includes(pick))
	for (const t of chosen) {
		const started = Date.now()
		try {
			await bounded(t.run)
			console.log(`ok      ${t.name} (${Date.now() - started} ms)`)
		} catch (e) {
			if (e instanceof Skip) {
				console.log(`skipped: ${t.name}: ${e.message}`)
				continue
			}
			failures++
			console.log(`${path.basename(process.argv[1])}:1:F:miningos:${t.name}:0: ${e.stack}`)
		}
	}
	const share = chosen.length === 0 ? 0 : Math.floor((100 * (chosen.length - failures)) / chosen.length)
	console.log(`${share}%: Checks: ${chosen.length}, Failures: ${failures}, Errors: 0`)
	process.exit(failures > 0 || chosen.length === 0 ? 1 : 0)
}

module.exports = { SLOW, WAIT_MS, pause, runAll, skip, test, wait }
