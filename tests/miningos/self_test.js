/* SPDX-License-Identifier: MIT */
/*
 * self_test.js: the stand-ins themselves. Their answers are the golden ones; what a right rack answers is
 * taken without complaint, and every one of many wrong answers is complained about.
 */
'use strict'

const assert = require('node:assert')
const crypto = require('node:crypto')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const { AppNode } = require('./app_node')
const { FakeRack } = require('./fake_rack')
const { IdentityProvider, NpmIdentityProvider } = require('./identity')
const { Ork } = require('./ork')
const { Network } = require('./network')
const { matches, project, sorted } = require('./query')
const { checkAnswer } = require('./tables')
const { runAll, test, wait } = require('./suite')

const golden = (name) => JSON.parse(fs.readFileSync(path.join(__dirname, 'golden', `${name}.json`)))
const THINGS = golden('things')
const LOGS = golden('logs')
const POOL = golden('minerpool')
const RACK = golden('rack')

/* "<int>", "<string>", "<hex64>", "<any>" stand for such values. */
const MASKS = { '<int>': Number.isSafeInteger, '<string>': (v) => typeof v === 'string', '<hex64>': (v) => /^[0-9a-f]{64}$/.test(v), '<any>': () => true }

function like(got, wanted, where) {
	if (typeof wanted === 'string' && Object.hasOwn(MASKS, wanted)) {
		assert.ok(MASKS[wanted](got), `${where}: ${JSON.stringify(got)} is not ${wanted}`)
	} else if (wanted !== null && typeof wanted === 'object') {
		assert.ok(got !== null && typeof got === 'object', `${where}: ${JSON.stringify(got)}`)
		assert.deepEqual(Object.keys(got).sort(), Object.keys(wanted).sort(), where)
		for (const key of Object.keys(wanted))
			like(got[key], wanted[key], `${where}.${key}`)
	} else {
		assert.strictEqual(got, wanted, where)
	}
}

/* A directory, an ork and racks on it; CLOSE ends all. */
async function rig({ racks = [], ork: options = {} } = {}) {
	const network = await new Network().start()
	const net = () => network.make()
	const ork = await new Ork(net(), { interval: 20, ...options }).start()
	const client = net()
	const ask = async (method, argument, from = client) =>
		JSON.parse(await from.request(ork.key, method, Buffer.from(JSON.stringify(argument))))
	const started = []
	for (const r of racks) {
		const rack = await new FakeRack(net(), r).start()
		assert.strictEqual(await ask('registerRack', rack.registration), 1)
		started.push(rack)
	}
	const close = async () => {
		await ork.close()
		await network.close()
	}
	return { ork, ask, net, client, racks: started, close }
}

const TWO = [{ id: 'miner-sv2-a', type: 'miner-sv2', golden: LOGS }, { id: 'minerpool-sv2-a', type: 'minerpool-sv2', golden: POOL }]
const done = (ask, id) => wait('the action is done', async () => {
	const [found] = await ask('getActionsBatch', { ids: [id] })
	return found.type === 'done' && found.action
})

test('queries', async () => {
	const d = { a: 1, b: { c: [1, 2, { x: 'y' }] }, t: ['t-miner', 'id-7'], n: null }
	const yes = [{}, { a: 1 }, { a: { $gt: 0, $lte: 1 } }, { 'b.c': 2 }, { 'b.c.x': 'y' }, { t: { $in: ['id-7'] } }, { t: 'id-7' },
		{ t: { $all: ['id-7', 't-miner'] } }, { t: { $nin: ['q'] } }, { t: { $regex: '^ID', $options: 'i' } }, { z: { $exists: false } },
		{ $and: [{ a: 1 }, { $or: [{ a: 2 }, { n: null }] }] }, { $nor: [{ a: 2 }] }, { a: { $not: { $gt: 5 } } }, { t: { $size: 2 } }, { z: null },
		{ 'b.c': { $elemMatch: { x: 'y' } } }, { a: { $ne: 2 } }]
	const no = [{ a: 2 }, { a: '1' }, { a: { $lt: 1 } }, { t: { $in: ['q'] } }, { t: { $ne: 'id-7' } }, { z: { $exists: true } }, { a: { $gt: '0' } },
		{ $and: [{ a: 1 }, { a: 2 }] }, { $or: [] }]
	for (const q of yes)
		assert.ok(matches(d, q), JSON.stringify(q))
	for (const q of no)
		assert.ok(!matches(d, q), JSON.stringify(q))
	assert.throws(() => matches(d, { a: { $where: 1 } }), /unknown operator/)
	assert.deepEqual(project(d, { 'b.c': 1, a: 1 }), { a: 1, b: { c: d.b.c } })
	assert.deepEqual(Object.keys(project(d, { a: 0 })), ['b', 't', 'n'])
	assert.deepEqual(sorted([{ a: 2 }, {}, { a: 1 }], { a: 1 }), [{}, { a: 1 }, { a: 2 }])
})

/* Every golden answer of a rack with its argument. */
function goldenAnswers() {
	const logs = Object.entries(LOGS.tailLog).map(([key, answer]) => [RACK.rack, 'tailLog', { key, tag: 't-miner' }, answer])
	const pool = Object.entries(POOL.extData).map(([key, answer]) => [POOL.rack, 'getWrkExtData', { query: { key } }, answer])
	const methods = Object.entries(RACK.methods).map(([method, { argument, answer }]) => [RACK.rack, method, argument, answer])
	return [[THINGS.rack, 'listThings', { status: 1 }, THINGS.answer], ...logs, ...pool, ...methods,
		[RACK.rack, 'getHistoricalLogs', { logType: 'alerts' }, LOGS.getHistoricalLogs]]
}

test('golden answers of racks fit the tables', async () => {
	for (const [rack, method, argument, answer] of goldenAnswers())
		assert.deepEqual(checkAnswer(rack, method, argument, answer), [])
	for (const error of RACK.errors)
		assert.deepEqual(checkAnswer(RACK.rack, 'queryThing', {}, error), [])
	assert.strictEqual(checkAnswer(RACK.rack, 'queryThing', {}, '[HRPC_ERR]=no such thing').length, 1)
})

/* What may be wrong with a value: another type, a fraction, a negative number, seconds for milliseconds. */
function spoiled(value) {
	if (value === null)
		return [{}, 5]
	if (typeof value === 'number') {
		const small = value > 1e12 ? [value / 1000, value * 1000] : []
		return [String(value), null, -1, ...small]
	}
	if (typeof value === 'boolean')
		return [String(value), null, value ? 1 : 0]
	if (typeof value === 'string')
		return [7, null, {}]
	return Array.isArray(value) ? [{ 0: 1 }, null, 'x'] : [[], null, 'x']
}

/* Calls F(path, copy with one value spoiled or left out) for every value inside of ROOT. */
function eachSpoiled(root, f) {
	const visit = (node, keys) => {
		const put = (change) => {
			const copy = structuredClone({ root })
			let at = copy
			for (const k of keys.slice(0, -1))
				at = at[k]
			change(at, keys.at(-1))
			return copy.root
		}
		const where = keys.slice(1).map((k) => (/^\d+$/.test(k) ? '*' : k)).join('.')
		for (const bad of spoiled(node))
			f(`${where} = ${JSON.stringify(bad)}`, put((at, k) => { at[k] = bad }))
		if (keys.length > 1 && !/^\d+$/.test(keys.at(-1)))
			f(`${where} left out`, put((at, k) => { delete at[k] }))
		if (node !== null && typeof node === 'object')
			for (const k of Object.keys(node))
				visit(node[k], [...keys, k])
	}
	visit(root, ['root'])
}

/* What the tables leave open: may be left out, or be of several types. */
const OPEN = [
	/(container|pos|serialNum|macAddress|poolConfig|address|port|power_w|frequency_mhz|temperature_c|ambient|chips|led_status|firmware_ver|network_config|mode|ip_address|dns|ip_gw|ip_netmask|message|error_msg|mining_extra|alerts|err) left out$/,
	/(dns|blocksData) = /, /(^|\.)(id|month|code) = 7$/, /alerts = (\[\]|null)$/, /err = "/, /group_sum\.c1 left out$/, /_cnt\.c1 left out$/,
	/type_group_sum.* left out$/, /(power_w_sum|uptime_ms_avg) left out$/, /_cnt = (0|5)$/, /temperature_c.*= -1$/, /last\.err = null$/
]

test('every spoiled golden answer is complained about', async () => {
	let count = 0
	const missed = []
	for (const [rack, method, argument, answer] of goldenAnswers()) {
		eachSpoiled(answer, (what, bad) => {
			if (OPEN.some((o) => o.test(what)) || JSON.stringify(bad) === JSON.stringify(answer))
				return
			count++
			if (checkAnswer(rack, method, argument, bad).length === 0)
				missed.push(`${method} ${JSON.stringify(argument)}: ${what}`)
		})
	}
	assert.deepEqual(missed, [])
	assert.ok(count > 800, `only ${count} were tried`)
	console.log(`        ${count} spoiled answers`)
})

/* Mistakes that a rack is likely to make. */
const MISTAKES = {
	'hash rate in H/s': (a) => { a[0].last.snap.stats.hashrate_mhs.t_5m *= 1e6 },
	'status online': (a) => { a[0].last.snap.stats.status = 'online' },
	'half a share': (a) => { a[0].last.snap.stats.all_pools_shares.accepted = 1.5 },
	'uptime as a fraction': (a) => { a[0].last.snap.stats.uptime_ms = 1.25 },
	'a time in seconds': (a) => { a[0].last.ts = Math.floor(Date.now() / 1000) },
	'a time to come': (a) => { a[0].last.ts = Date.now() + 3 * 86400e3 },
	'power null': (a) => { a[0].last.snap.stats.power_w = null },
	'a type tag is missing': (a) => { a[0].tags = a[0].tags.filter((t) => t !== 't-miner') },
	'the tag of another thing': (a) => { a[0].tags.push('id-AAAAAAAAAAAAAAA') },
	'two things with one id': (a) => { a[1] = a[0] },
	'an id of its own kind': (a) => { a[0].id = 'pool.1/7/2' },
	'a code without number': (a) => { a[0].code = 'SV2' },
	'the code of another type': (a) => { a[0].code = 'ABC-0001' },
	'a thing of another rack': (a) => { a[0].rack = 'miner-sv2-b' },
	'a type of another family': (a) => { a[0].type = 'container-x' },
	'suspended, and mining': (a) => { a[0].last.snap.config.suspended = true },
	'errors without error': (a) => { a[0].last.snap.stats.errors = [{ name: 'x' }] },
	'more than the limit': (a) => { a.push(...a) }
}

test('mistakes in things are noticed by the ork', async () => {
	for (const [name, mistake] of Object.entries(MISTAKES)) {
		const wrong = (method, answer) => {
			if (method === 'listThings')
				mistake(answer)
			return answer
		}
		const r = await rig({ racks: [{ ...TWO[0], wrong }], ork: { limits: { mhs: 1e4 } } })
		await r.ask('listThings', { status: 1, limit: 3 })
		assert.ok(r.ork.violations.length > 0, name)
		await r.close()
	}
})

test('wrong answers to each method are noticed by the ork', async () => {
	const asked = { ...Object.fromEntries(Object.entries(RACK.methods).map(([m, { argument }]) => [m, argument])),
		listThings: {}, tailLog: { key: 'stat-5m', tag: 't-miner' }, getHistoricalLogs: { logType: 'alerts' }, getWrkConf: {}, getWrkSettings: {} }
	const wrongs = [undefined, null, 'text', { a: 'b' }, [7], -1].map((v) => (method) => (v === undefined ? Buffer.from('{no JSON') : v))
	for (const [i, wrong] of wrongs.entries()) {
		const r = await rig({ racks: [{ ...TWO[0], wrong }] })
		const [rack] = r.ork.racks.values()
		for (const [method, argument] of Object.entries(asked)) {
			if (method === 'applyThings' || (['getWrkConf', 'getWrkSettings'].includes(method) && i === 3))
				continue
			const before = r.ork.violations.length
			await r.ork.call(rack, method, argument).catch(() => {})
			assert.ok(r.ork.violations.length > before, `${method}, wrong answer ${i}`)
		}
		await r.close()
	}
})

test('ork: golden exchanges', async () => {
	const r = await rig({ racks: TWO })
	for (const { method, argument, answer } of golden('ork').exchanges)
		like(await r.ask(method, argument), answer, `${method} ${JSON.stringify(argument)}`)
	assert.deepEqual(r.ork.violations, [])
	await r.close()
})

test('ork: methods of the rack, its errors, and those it lacks', async () => {
	const r = await rig({ racks: [{ id: 'miner-sv2-a', type: 'miner-sv2', golden: LOGS }] })
	const [rack] = r.ork.racks.values()
	for (const method of ['ping', 'echo', 'getRack', 'getInstanceId', 'listThings', 'getThingsCount', 'getWrkConf'])
		await r.ork.call(rack, method, { a: 1 })
	await assert.rejects(r.ork.call(rack, 'tailLog', { key: 'x' }), /ERR_LOG_KEY_NOTFOUND/)
	await assert.rejects(r.ork.call(rack, 'executeAction', {}), { code: 'UNKNOWN_METHOD' })
	assert.deepEqual(r.ork.violations, [])
	await r.close()
})

test('ork: votes', async () => {
	const r = await rig({ racks: [TWO[0]] })
	const perms = { authPerms: ['miner:rw'] }
	const push = (action, params, more = {}) => r.ask('pushAction', { query: {}, action, params, voter: 'a', ...perms, ...more })
	const first = await push('reboot', [])
	const reboot = await done(r.ask, first.id)
	assert.strictEqual(reboot.status, 'COMPLETED')
	assert.deepEqual(reboot.targets['miner-sv2-a'].calls.map((c) => c.result), [{ success: true }, { success: true }, { success: true }])
	assert.deepEqual(r.racks[0].executed[0].params, [{ actionId: first.id, user: 'a' }])

	const two = await push('rackReboot', [])
	assert.strictEqual((await r.ask('getAction', { id: two.id, type: 'voting' })).reqVotesPos, 2)
	assert.match(await r.ask('voteAction', { id: two.id, voter: 'a', approve: true, ...perms }), /ERR_VOTER_EXISTS/)
	assert.match(await r.ask('voteAction', { id: two.id, voter: 'b', approve: true, authPerms: ['miner:r'] }), /ERR_ACTION_DENIED/)
	assert.strictEqual(await r.ask('voteAction', { id: two.id, voter: 'b', approve: true, ...perms }), 1)
	assert.strictEqual((await done(r.ask, two.id)).targets['miner-sv2-a'].calls[0].result, 1)

	const denied = await push('rackReboot', [])
	assert.strictEqual(await r.ask('voteAction', { id: denied.id, voter: 'b', approve: false, ...perms }), 1)
	assert.strictEqual((await done(r.ask, denied.id)).status, 'DENIED')

	const cancelled = await push('rackReboot', [])
	const cancel = (voter) => r.ask('cancelActionsBatch', { ids: [cancelled.id], voter })
	assert.deepEqual(await cancel('b'), [{ id: cancelled.id, success: false, error: 'ERR_ACTION_DENIED' }])
	assert.deepEqual(await cancel('a'), [{ id: cancelled.id, success: true }])
	assert.strictEqual((await done(r.ask, cancelled.id)).status, 'DENIED')
	assert.strictEqual(r.racks[0].executed.filter((e) => e.method === 'rackReboot').length, 1)

	const refused = await done(r.ask, (await push('setLED', [true])).id)
	assert.strictEqual(refused.targets['miner-sv2-a'].calls[0].result.error_msg, 'there is no LED')
	const batch = await r.ask('pushActionsBatch', { batchActionsPayload: [{ query: {}, action: 'reboot', params: [] }, { query: {}, action: 'x', params: [] }],
		batchActionUID: 'u', suffix: 's', voter: 'a', ...perms })
	assert.strictEqual(batch[1].id, null)
	assert.match((await done(r.ask, batch[0].id)).batchActionUID, /^\d+-u-s$/)
	assert.deepEqual(r.ork.violations, [])
	await r.close()
})

test('ork: the error of one rack stands beside the calls of another', async () => {
	const failing = (method, answer) => (method === 'getWriteCalls' ? '[HRPC_ERR]=ERR_SET_POWER_MODE_INVALID' : answer)
	const r = await rig({ racks: [TWO[0], { id: 'miner-sv2-b', type: 'miner-sv2', wrong: failing }] })
	const { id, errors } = await r.ask('pushAction', { query: {}, action: 'reboot', params: [], voter: 'a', authPerms: ['miner:w'] })
	assert.deepEqual(errors, ['[HRPC_ERR]=ERR_SET_POWER_MODE_INVALID'])
	assert.match((await done(r.ask, id)).targets['miner-sv2-b'].error, /ERR_SET_POWER_MODE_INVALID/)
	await r.close()
})

test('ork: firewall', async () => {
	const r = await rig()
	const reader = r.net()
	const stranger = r.net()
	r.ork.allow = [r.client.clientKey]
	r.ork.allowReadOnly = [reader.clientKey]
	const rack = { id: 'x', type: 'miner', info: { rpcPublicKey: crypto.randomBytes(32).toString('hex') } }
	assert.strictEqual(await r.ask('registerRack', rack, reader), '[HRPC_ERR]=ERR_MISSING_WRITE_PERMISSIONS')
	assert.deepEqual(await r.ask('listRacks', {}, reader), [])
	assert.strictEqual(await r.ask('registerRack', rack), 1)
	await assert.rejects(r.ask('listRacks', {}, stranger))
	r.ork.allow = []
	r.ork.allowReadOnly = undefined
	await assert.rejects(r.ask('listRacks', {}))
	await r.close()
})

test('transport: payloads that are no JSON, lines in pieces, unknown methods', async () => {
	const r = await rig()
	const send = (payload) => r.client.request(r.ork.key, 'listRacks', Buffer.from(payload))
	assert.match(String(await send('{')), /ERR_FACS_NET_DATA_FORMAT/)
	assert.strictEqual(r.ork.violations.length, 1)
	await assert.rejects(r.ask('getBlockTemplate', {}), { code: 'UNKNOWN_METHOD' })
	assert.strictEqual((await r.client.request(r.ork.key, 'echo', Buffer.from('x'.repeat(100000)))).length, 100000)
	const answers = await Promise.all([...Array(50).keys()].map((i) => r.ask('echo', { i })))
	assert.deepEqual(answers.map((a) => a.i), [...Array(50).keys()])
	await r.close()
})

/* --- app-node --- */

/* A request with node's own client, so that it may come from another address. */
function rest(app, verb, where, { token, body, from = '127.0.0.1', type = 'application/json' } = {}) {
	return new Promise((resolve, reject) => {
		const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'content-type': type }) }
		const request = http.request(app.url + where, { method: verb, headers, localAddress: from }, async (response) => {
			let text = ''
			for await (const part of response)
				text += part
			resolve({ status: response.statusCode, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) })
		})
		request.on('error', reject)
		request.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
	})
}

async function appRig(options = {}) {
	const r = await rig({ racks: TWO })
	const app = await new AppNode({ net: r.net(), orks: [r.ork.key], ...options }).start()
	app.tokens.addUser('admin@example.com', ['admin'])
	app.tokens.addUser('reader@example.com', ['read_only_user'])
	app.tokens.addUser('operator@example.com', ['field_operator'])
	const token = (email, roles) => {
		const user = app.tokens.users.get(email)
		return app.tokens.make(user, roles || user.roles, ['127.0.0.1'])
	}
	const close = async () => {
		await app.close()
		await r.close()
	}
	return { ...r, app, token, close }
}

test('app-node: golden exchanges', async () => {
	const r = await appRig()
	for (const { request, body, as, status, answer } of golden('rest').exchanges) {
		const [verb, where] = request.split(' ')
		const token = { nobody: () => 'x', 'without roles': () => r.token('admin@example.com', []) }[as] ||
			(() => r.token(`${as || 'admin'}@example.com`))
		const got = await rest(r.app, verb, where, { token: token(), body })
		assert.strictEqual(got.status, status, `${request}: ${JSON.stringify(got.body)}`)
		like(got.body, answer, request)
	}
	/* Those that no app-node would understand. */
	assert.strictEqual(new Set(r.app.violations.map((v) => v.split(': ')[0])).size, 6)
	await r.close()
})

test('app-node: an action from proposal to result', async () => {
	const r = await appRig()
	const token = r.token('operator@example.com')
	const body = { query: { tags: { $in: ['code-SV2-0001'] } }, action: 'setupPools', params: [] }
	const [{ id, errors }] = (await rest(r.app, 'POST', '/auth/actions/voting', { token, body })).body
	assert.deepEqual(errors, [])
	const [action] = await wait('the action is done', async () => {
		const got = (await rest(r.app, 'GET', `/auth/actions/done/${id}`, { token })).body
		return got[0].error === undefined && got
	})
	assert.deepEqual(action.targets['miner-sv2-a'].calls.map((c) => c.result), [{ success: true }])
	await r.close()
})

for (const mode of ['jwt', 'database'])
	test(`app-node: tokens, ${mode} mode`, async () => {
		const clock = { ms: Date.now() }
		const r = await appRig({ tokens: { mode, ttl: 5, now: () => clock.ms } })
		const token = r.token('admin@example.com')
		const things = (t, from) => rest(r.app, 'GET', '/auth/list-things', { token: t, from })
		assert.strictEqual((await things(token)).status, 200)
		assert.strictEqual((await things(token, '127.0.0.2')).status, 401)
		const bare = (await rest(r.app, 'POST', '/auth/token', { token, body: {} })).body.token
		assert.strictEqual((await things(token)).status, mode === 'jwt' ? 401 : 200)
		assert.strictEqual((await rest(r.app, 'GET', '/auth/miners', { token: bare })).body.message, 'ERR_AUTH_FAIL_NO_PERMS')
		const full = (await rest(r.app, 'POST', '/auth/token', { token: bare, body: { roles: ['admin'], ttl: 9999 } })).body.token
		assert.strictEqual((await rest(r.app, 'GET', '/auth/miners', { token: full })).status, 200)
		clock.ms += 5001
		assert.strictEqual((await things(full)).status, 401)
		assert.strictEqual((await rest(r.app, 'POST', '/auth/token', { token: full, body: { roles: ['admin'] } })).status, 401)
		const next = r.token('admin@example.com')
		r.app.tokens.revokeAll()
		assert.strictEqual((await things(next)).status, 401)
		await r.close()
	})

test('app-node: answers are kept, and overwriteCache goes past them', async () => {
	const r = await appRig()
	const token = r.token('admin@example.com')
	const count = () => r.ork.requests.filter((q) => q.method === 'listThings').length
	const get = (search) => rest(r.app, 'GET', `/auth/list-things?${search}`, { token })
	await Promise.all([get('limit=1'), get('limit=1'), get('limit=1')])
	assert.strictEqual(count(), 1)
	await get('limit=2')
	assert.strictEqual(count(), 2)
	await get('overwriteCache=true&limit=2')
	await get('limit=2')
	assert.strictEqual(count(), 3)
	await r.close()
})

/* The browser's way from the app-node to the provider and back, to where the app-node sends it. */
async function login(Provider, email) {
	const identity = await new Provider(email).start()
	const r = await appRig({ identity, callbackUriUI: 'http://127.0.0.1:1/done' })
	let where = `${r.app.url}/oauth/google`
	for (let i = 0; i < 3; i++)
		where = (await fetch(where, { redirect: 'manual' })).headers.get('location')
	const bad = await fetch(`${r.app.url}/oauth/google/callback${Provider === IdentityProvider ? '?code=x' : ''}`, { redirect: 'manual' })
	assert.match(bad.headers.get('location'), /error=ERR_AUTH_FAIL/)
	return { ...r, answer: new URL(where).searchParams, close: async () => {
		await r.close()
		await identity.close()
	} }
}

for (const Provider of process.env.MININGOS_NODE_MODULES ? [IdentityProvider, NpmIdentityProvider] : [IdentityProvider])
	test(`app-node: login through ${Provider.name}`, async () => {
		const good = await login(Provider, 'admin@example.com')
		const info = await rest(good.app, 'GET', '/auth/userinfo', { token: good.answer.get('authToken') })
		assert.strictEqual(info.body.metadata.email, 'admin@example.com')
		await good.close()
		const stranger = await login(Provider, 'stranger@example.com')
		assert.strictEqual(stranger.answer.get('error'), 'ERR_USER_INVALID')
		await stranger.close()
	})

test('app-node: an ork that is gone is an error inside of a 200', async () => {
	const r = await appRig()
	const token = r.token('admin@example.com')
	await r.ork.close()
	const got = await rest(r.app, 'GET', '/auth/list-things', { token })
	assert.strictEqual(got.status, 200)
	assert.ok(got.body[0].error)
	await r.close()
})

runAll()
