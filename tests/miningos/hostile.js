/* SPDX-License-Identifier: MIT */
/*
 * hostile.js: whoever reaches the rack may send anything, and the ork may answer anything, or nothing.
 * Asserted is each time that an answer comes or the connection ends, that role and aditd are the same
 * processes afterwards, and that right requests are answered.
 */
'use strict'

const assert = require('node:assert')
const fs = require('node:fs')
const net = require('node:net')

const { freePort } = require('./daemon')
const { isDht } = require('./network')
const { socketOf } = require('./net_socket')
const { TYPE, withSite } = require('./site')
const { SLOW, pause, test, wait } = require('./suite')

const ONE = { miners: { a: 50000 } }

/* Pids of role and bridge; what has to stay. */
async function processes(site) {
	return { role: await site.daemon.pid('miningos'), bridge: site.daemon.bridge() }
}

async function isWell(site, before) {
	await wait('the rack answers', () => site.call('ping', { a: 1 }))
	assert.strictEqual((await site.call('getRack')).rpcPubKey, (await site.rack()).info.rpcPublicKey)
	if (before !== undefined)
		assert.deepEqual(await processes(site), before)
}

/* An answer, whatever it is, as text; REASON in the place of one when the transport says no. */
async function anyAnswer(site, method, payload, ms = 20000 * SLOW) {
	const client = site.stranger = site.stranger || site.network.make()
	try {
		return String(await client.request((await site.rack()).info.rpcPublicKey, method, Buffer.from(payload), { timeout: ms }))
	} catch (e) {
		assert.notStrictEqual(e.code, 'TIMEOUT_EXCEEDED', `${method} ${String(payload).slice(0, 100)}: no answer`)
		return e.code
	}
}

/* Bytes of 0xff are no UTF-8; over sockets payloads are text. */
const NO_JSON = ['', '{', '{"a":', 'nul', '"', '[1,]', "{'a':1}", '\u0000', '{"a":1}{"b":2}', 'undefined', '\ufffd\ufffd', '[' .repeat(100000), '{"a":'.repeat(50000)]

test('G: payloads that are no JSON', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	for (const method of ['listThings', 'getWriteCalls', 'queryThing', 'tailLog', 'getWrkExtData', 'saveWrkSettings'])
		for (const payload of NO_JSON)
			assert.strictEqual(await anyAnswer(site, method, payload), '"[HRPC_ERR]=ERR_FACS_NET_DATA_FORMAT"', `${method} ${payload.slice(0, 50)}`)
	await isWell(site, before)
}))

const METHODS = ['getRack', 'listThings', 'getThingsCount', 'queryThing', 'applyThings', 'getWriteCalls', 'tailLog', 'getHistoricalLogs', 'getWrkExtData',
	'getWrkConf', 'getThingConf', 'getWrkSettings', 'saveWrkSettings', 'saveThingComment', 'editThingComment', 'deleteThingComment', 'registerThing',
	'updateThing', 'getReplicaConf', 'getInstanceId']
const VALUES = ['null', 'true', '0', '-1', '1.5', '1e308', '1e999', '"text"', '[]', '[{}]', '{}', '{"__proto__":{"a":1}}', '{"constructor":null}',
	'"\\ud800"', '{"id":"\\u0000"}']

test('G: payloads of every type to every method', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	for (const method of METHODS)
		for (const payload of VALUES) {
			const answer = await anyAnswer(site, method, payload)
			assert.doesNotThrow(() => answer === 'UNKNOWN_METHOD' || JSON.parse(answer), `${method} ${payload}: ${answer.slice(0, 100)}`)
		}
	await isWell(site, before)
}))

/* Arguments of listThings and others that are objects, and wrong inside. */
const ARGUMENTS = [
	{ limit: -1 }, { limit: 1.5 }, { limit: 'x' }, { limit: 1e300 }, { limit: null }, { limit: {} }, { offset: -5 }, { offset: 1e18 }, { offset: [] },
	{ query: 'x' }, { query: [] }, { query: 7 }, { query: { $where: 'x' } }, { query: { $and: 'x' } }, { query: { id: { $in: 'x' } } },
	{ query: { id: { $regex: '(' } } }, { query: { code: { $regex: '(a+)+$' } } }, { query: { 'tags': { $regex: '(x*)*'.repeat(50) } } },
	{ query: { id: { $regex: 'a'.repeat(1000000) } } }, { query: { $or: Array(20000).fill({ id: 'x' }) } }, { query: { id: { $not: { $not: { $gt: 1 } } } } },
	{ query: { ['a.b.c.d'.repeat(1000)]: 1 } }, { query: { '': 1 } }, { query: { '.': 1 } }, { query: { 'last..snap': 1 } }, { query: { ['__proto__']: 1 } },
	{ fields: 'x' }, { fields: [] }, { fields: { a: { b: 1 } } }, { fields: { 'id.x.y': 1 } }, { fields: { id: -1, code: 'x' } }, { sort: 'x' }, { sort: { id: 'x' } },
	{ sort: { id: 0 } }, { sort: Object.fromEntries([...Array(2000).keys()].map((i) => [`k${i}`, 1])) }, { status: {} }
]
const nested = (depth) => {
	let q = { id: 'x' }
	for (let i = 0; i < depth; i++)
		q = { $and: [q] }
	return { query: q }
}

test('G: queries, fields, sorts and pages that are wrong', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	for (const argument of [...ARGUMENTS, nested(50), nested(2000)])
		for (const method of ['listThings', 'getThingsCount', 'tailLog', 'getWriteCalls']) {
			const answer = await anyAnswer(site, method, JSON.stringify({ key: 'stat-5m', tag: 't-miner', action: 'reboot', params: [], ...argument }))
			assert.ok(/^(\[|\{|\d|"\[HRPC_ERR\]=ERR_)/.test(answer), `${method} ${JSON.stringify(argument).slice(0, 200)}: ${answer.slice(0, 200)}`)
		}
	await isWell(site, before)
}))

test('G: actions with parameters that are wrong', () => withSite(ONE, async (site) => {
	const [thing] = await site.until('there is a thing', (list) => list.length === 1)
	const before = await processes(site)
	const wrong = [undefined, null, 'x', {}, [], [null], [[]], [{}], ['x'.repeat(1e6)], Array(10000).fill(0), [{ config: null }], [{ config: { poolUrls: 'x' } }],
		[{ config: { id: 1, poolUrls: [{ url: 7 }] } }], [{ config: { id: 'p', poolUrls: [] } }], [{ config: { id: 'p', poolUrls: [{ url: 'http://x', workerName: 'w' }] } }],
		[{ config: { id: 'p', poolUrls: [{ url: 'stratum2+tcp://\n', workerName: '\u0000' }] } }], ['1e400'], [-1], [1e400]]
	for (const params of wrong)
		for (const method of ['setPowerMode', 'setHashrate', 'setupPools', 'setLED']) {
			const added = Array.isArray(params) ? [...params, { actionId: 1, user: 'u' }] : params
			for (const answer of [await anyAnswer(site, 'queryThing', JSON.stringify({ id: thing.id, method, params: added })),
				await anyAnswer(site, 'getWriteCalls', JSON.stringify({ query: { id: thing.id }, action: method, params }))])
				assert.ok(/^(\{|"\[HRPC_ERR\]=ERR_)/.test(answer), `${method} ${JSON.stringify(params)}: ${answer.slice(0, 200)}`)
		}
	await isWell(site, before)
}))

const UNKNOWN = ['executeAction', 'getBlockTemplate', 'getStats', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x'.repeat(10000), 'ping ', 'PING', '']

test('G: unknown methods', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	for (const method of UNKNOWN)
		assert.ok(['UNKNOWN_METHOD', 'CHANNEL_CLOSED'].includes(await anyAnswer(site, method, '{}')), method.slice(0, 50))
	assert.strictEqual(await anyAnswer(site, 'executeAction', '{}'), 'UNKNOWN_METHOD')
	await isWell(site, before)
}))

/* --- what only the plain transport lets one do --- */

/* Writes BYTES to the rack's socket after the hello; what came back until it was closed, or for MS. */
async function raw(site, bytes, ms = 2000) {
	const socket = net.connect(socketOf(site.network.directory, (await site.rack()).info.rpcPublicKey))
	const got = []
	let closed = false
	const end = new Promise((resolve) => {
		socket.on('close', () => {
			closed = true
			resolve()
		})
	})
	socket.on('error', () => {})
	socket.on('data', (d) => got.push(d))
	socket.write(`${JSON.stringify({ client: '00'.repeat(32) })}\n`)
	for (const part of Array.isArray(bytes) ? bytes : [bytes]) {
		if (!socket.write(part))
			await Promise.race([new Promise((resolve) => { socket.once('drain', resolve) }), end, pause(20000)])
	}
	await Promise.race([end, pause(ms)])
	socket.destroy()
	return { text: Buffer.concat(got).toString(), closed }
}

const IDS = ['"1"', '1.5', 'null', '-1', '9007199254740993', '1e30', '{}', '[]', 'true']

if (!isDht())
	test('G: lines that are no requests, ids of every type, lines in pieces', () => withSite(ONE, async (site) => {
		await isWell(site)
		const before = await processes(site)
		for (const line of ['x', '{', '[]', '7', 'null', '{}', '{"id":1}', '{"method":"ping","payload":"1"}', '{"id":1,"method":7,"payload":"1"}',
			'{"id":1,"method":"ping"}', '{"id":1,"method":"ping","payload":7}', '', '\u0000', ...IDS.map((id) => `{"id":${id},"method":"ping","payload":"1"}`)])
			await raw(site, `${line}\n`, 100)
		assert.strictEqual((await raw(site, '{"id":0,"method":"ping","payload":"1"}\n', 300)).text, '')
		const two = await raw(site, ['{"id":1,"meth', 'od":"ping","payload":"1"}\n{"id":2,"method":"ping","payload":"2"}\n'], 1000)
		assert.deepEqual(two.text.trim().split('\n').map((l) => JSON.parse(l)).sort((a, b) => a.id - b.id), [{ id: 1, payload: '1' }, { id: 2, payload: '2' }])
		await isWell(site, before)
	}))

const MB = Buffer.alloc(1 << 20, 'x')

/* Resident memory in MiB. */
const resident = (pid) => Number(/VmRSS:\s*(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

test('G: 100 MB', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	if (!isDht()) {
		assert.ok((await raw(site, Array(100).fill(MB), 20000)).closed, 'a line without end was not ended')
		const start = Buffer.from('{"id":1,"method":"listThings","payload":"')
		assert.ok((await raw(site, [start, ...Array(100).fill(MB), Buffer.from('"}\n')], 20000)).closed)
	}
	const large = await anyAnswer(site, 'listThings', JSON.stringify({ query: { id: 'x'.repeat(100 << 20) } }), 60000 * SLOW)
	assert.ok(large === 'CHANNEL_CLOSED' || large === 'REQUEST_ERROR' || /HRPC_ERR|^\[\]$/.test(large), large.slice(0, 200))
	site.stranger = undefined
	const fifteen = await anyAnswer(site, 'saveWrkSettings', JSON.stringify({ entries: { a: 'x'.repeat(15 << 20) } }), 60000 * SLOW)
	assert.ok(!/^1$/.test(fifteen), '15 MB of settings were taken')
	assert.ok(resident(before.role) < 400 * SLOW, `the role has ${resident(before.role)} MiB`)
	await isWell(site, before)
}))

test('G: a hundred connections that say nothing, and a thousand requests at once', () => withSite(ONE, async (site) => {
	await isWell(site)
	const before = await processes(site)
	const rack = await site.rack()
	const silent = isDht() ? [] : Array.from({ length: 100 }, () => net.connect(socketOf(site.network.directory, rack.info.rpcPublicKey)).on('error', () => {}))
	const answers = await Promise.all([...Array(1000).keys()].map((i) => site.ork.call(rack, i % 2 ? 'listThings' : 'echo', { limit: 1, i }, 60000 * SLOW).catch((e) => e.message)))
	const bad = answers.filter((a) => typeof a === 'string' && !/ERR_/.test(a))
	assert.deepEqual(bad, [])
	for (const s of silent)
		s.destroy()
	await isWell(site, before)
}))

/* --- the other end --- */

test('G: the bridge is killed in the middle of requests', () => withSite(ONE, async (site) => {
	await isWell(site)
	const { role, bridge } = await processes(site)
	const rack = await site.rack()
	const asked = [...Array(50).keys()].map(() => site.ork.call(rack, 'listThings', {}, 20000).catch((e) => e))
	process.kill(bridge, 'SIGKILL')
	await Promise.all(asked)
	await isWell(site)
	assert.strictEqual(await site.daemon.pid('miningos'), role)
}))

test('G: a bridge that hangs is replaced', () => withSite(ONE, async (site) => {
	await isWell(site)
	const { role, bridge } = await processes(site)
	process.kill(bridge, 'SIGSTOP')
	await wait('there is another bridge', () => site.daemon.bridge() > 0 && site.daemon.bridge() !== bridge, 240000 * SLOW)
	await isWell(site)
	assert.strictEqual(await site.daemon.pid('miningos'), role)
}))

/* What an ork may say to registerRack and listRacks instead of what it should. */
const RUBBISH = ['no JSON', '0', 'null', '{}', '[]', '"[HRPC_ERR]=ERR_RACK_ID_INVALID"', '"[HRPC_ERR]=ERR_MISSING_WRITE_PERMISSIONS"', '"x"', '[null,7,{"id":7}]', '"x"'.repeat(1e6)]

test('G: an ork that answers rubbish, nothing, or with errors', () => withSite(ONE, async (site) => {
	await isWell(site)
	const { role } = await processes(site)
	const serve = site.ork.serve.bind(site.ork)
	let asked = 0
	for (const rubbish of RUBBISH) {
		asked = 0
		site.ork.serve = async () => {
			asked++
			return Buffer.from(rubbish)
		}
		await wait('the ork is asked again', () => asked >= 2)
	}
	asked = 0
	site.ork.serve = () => {
		asked++
		return new Promise(() => {})
	}
	await wait('the ork that answers nothing is asked', () => asked >= 1)
	site.ork.serve = serve
	site.ork.forgetRacks({ all: true })
	await site.rack()
	await isWell(site)
	assert.strictEqual(await site.daemon.pid('miningos'), role)
}))

test('G: an ork that is not there, and one that refuses: the role runs, and aditd stops in good order', () => withSite({ ...ONE,
	miningos: { orchestrator_rpc_public_key: 'ab'.repeat(32) } }, async (site) => {
	await pause(3000)
	assert.notStrictEqual(await site.daemon.pid('miningos'), 0)
	assert.strictEqual(site.ork.racks.size, 0)
}))

if (isDht())
	test('G: a DHT that never answers', async () => {
		const port = await freePort()
		await withSite({ ...ONE, miningos: { dht_bootstrap: `127.0.0.1:${port}` } }, async (site) => {
			await pause(5000)
			const { role } = await processes(site)
			assert.notStrictEqual(role, 0)
			assert.strictEqual(site.ork.racks.size, 0)
			const started = Date.now()
			await site.daemon.restart('miningos')
			assert.ok(Date.now() - started < 30000 * SLOW)
		})
	})

test('G: without Node.js, or without the bridge, the role runs and says what is missing', async () => {
	for (const [keys, said] of [[{ bridge_command: '/nonexistent/node' }, /\/nonexistent\/node/], [{ bridge_path: '/nonexistent' }, /\/nonexistent/]])
		await withSite({ ...ONE, miningos: keys }, async (site) => {
			await wait('status says what is missing', async () => said.test((await site.daemon.aditctl('status')).text))
			const [{ result }] = await site.daemon.call('pool', 'get_pool_stats')
			assert.ok(result.uptime_seconds >= 0)
			assert.strictEqual(site.ork.racks.size, 0)
		})
})

module.exports = { TYPE }
