/* SPDX-License-Identifier: MIT */
/*
 * scenarios.js: aditd with pool, miners and miningos against the stand-ins, end to end. The numbers are
 * those of the reference's list of scenarios.
 */
'use strict'

const assert = require('node:assert')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const { BUILD, freePort } = require('./daemon')
const { FakeRack } = require('./fake_rack')
const { RACK, TYPE, withSite } = require('./site')
const { SLOW, pause, skip, test, wait } = require('./suite')

const POOL_TYPE = 'minerpool-sv2'
const FAST = { shares_per_minute: 600 }

const status = (t) => t.last.snap.stats.status
const all = (list, wanted) => list.length > 0 && list.every((t) => status(t) === wanted)
const mining = (count) => (list) => list.length === count && all(list, 'mining')

/* --- 1: the rack appears --- */

/* The set that an ork needs, with arguments under which nothing has to exist. */
const NECESSARY = {
	getRack: {}, listThings: {}, getThingsCount: { query: {} }, getWriteCalls: { query: {}, action: 'reboot', params: [] },
	getHistoricalLogs: { logType: 'info' }, getWrkExtData: { type: TYPE, query: {} }, getWrkConf: {},
	getThingConf: { requestType: 'nextAvailableCode' }, getWrkSettings: {}, saveWrkSettings: { entries: { a: 1 } }, getReplicaConf: {},
	getInstanceId: {}
}

test('1: the rack registers itself, again when it was forgotten, with the same key after a restart', () => withSite({ miners: { a: 50000 } }, async (site) => {
	const rack = await site.rack()
	const pool = await site.rack(POOL_TYPE)
	assert.strictEqual(rack.id, RACK)
	assert.notStrictEqual(pool.info.rpcPublicKey, rack.info.rpcPublicKey)
	for (const type of [TYPE, POOL_TYPE])
		for (const method of ['ping', 'echo'])
			await site.call(method, { a: [1, 'ü', null] }, type)
	for (const [method, argument] of Object.entries(NECESSARY))
		await site.call(method, argument)
	assert.deepEqual(await site.call('getWrkSettings'), { a: 1 })

	site.ork.forgetRacks({ all: true })
	assert.strictEqual((await site.rack()).info.rpcPublicKey, rack.info.rpcPublicKey)

	await site.daemon.restart('miningos')
	site.ork.forgetRacks({ all: true })
	assert.strictEqual((await site.rack()).info.rpcPublicKey, rack.info.rpcPublicKey)
	await wait('the rack answers after the restart', () => site.call('ping', { b: 1 }))
	assert.deepEqual(await site.call('getWrkSettings'), { a: 1 })
}))

test('1: the racks answer who is in allow_keys, and nobody else', () => withSite({ miningos: { allow_keys: 'ORK' } }, async (site) => {
	await wait('the rack answers the ork', () => site.call('ping', { a: 1 }))
	const { rpcPublicKey } = (await site.rack()).info
	await assert.rejects(site.network.make().request(rpcPublicKey, 'listThings', Buffer.from('{}'), { timeout: 20000 }))
	await site.call('getRack')
}))

/* Of each event what it has to have at least. */
const EVENTS = {
	MiningOSRegistered: ['rack_id'], MiningOSStatsUpdated: [], MiningOSTemplateUpdated: [], MiningOSActionExecuted: ['action_type', 'success']
}

test('1: events are published', () => withSite({ miners: { a: 50000 }, pool: FAST }, async (site) => {
	const seen = {}
	const listener = await site.daemon.events(Object.keys(EVENTS), ({ type, data }) => { seen[type] = data })
	const [thing] = await site.until('it is mining', mining(1))
	site.ork.forgetRacks({ all: true })
	await site.rack()
	await site.results((await site.proposed('operator', 'reboot', [], { id: thing.id })).id)
	await wait('all have come', () => {
		const missing = Object.keys(EVENTS).filter((type) => seen[type] === undefined)
		if (missing.length > 0)
			throw new Error(`${missing.join(', ')} did not`)
		return true
	})
	for (const [type, keys] of Object.entries(EVENTS))
		for (const key of keys)
			assert.ok(key in seen[type], `${type} has no ${key}: ${JSON.stringify(seen[type])}`)
	listener.close()
}))

/* --- 2: miners as things --- */

const RATES = { a: 50000, b: 100000, c: 200000 }

/* Snapshots of each thing over time: {id: [last...]}, of those that follow each other without a gap. */
async function watchShares(site, seconds) {
	const seen = {}
	const end = Date.now() + seconds * 1000
	while (Date.now() < end) {
		for (const t of await site.things()) {
			const list = seen[t.id] = seen[t.id] || []
			if (list.length === 0 || list.at(-1).ts !== t.last.ts)
				list.push(t.last)
		}
		await pause(200)
	}
	return seen
}

const accepted = (last) => last.snap.stats.pool_status.reduce((sum, p) => sum + p.accepted, 0)

/* The deltas after the first snapshot add up to how far the totals got. */
function deltasAddUp(snaps) {
	const sum = snaps.slice(1).reduce((n, l) => n + l.snap.stats.all_pools_shares.accepted, 0)
	return sum === accepted(snaps.at(-1)) - accepted(snaps[0])
}

test('2: three miners are three things, with their rates, shares and statuses', () => withSite({
	miners: RATES, pool: FAST, miningos: { things_update_interval_seconds: 3 }
}, async (site) => {
	const wanted = Object.values(RATES).map((r) => r / 1e6)
	const list = await site.until('every t_5m is near the rate of its miner', (things) => {
		const rates = things.map((t) => t.last.snap.stats.hashrate_mhs).map((h) => h && h.t_5m).sort((x, y) => x - y)
		return mining(3)(things) && rates.every((r, i) => r > wanted[i] * 0.6 && r < wanted[i] * 1.6)
	})
	const ids = list.map((t) => t.id).sort()

	await wait('the share deltas add up to the totals', async () => {
		const seen = await watchShares(site, 15)
		const counted = Object.values(seen)
		return counted.length === 3 && counted.every((s) => s.length > 3 && deltasAddUp(s) && accepted(s.at(-1)) > accepted(s[0]))
	})
	const [{ result: { channels } }] = await site.daemon.call('pool', 'list_channels')
	const inPool = channels.reduce((sum, c) => sum + c.accepted, 0)
	const inThings = (await site.until('the totals reach those of the pool', (things) =>
		things.reduce((sum, t) => sum + accepted(t.last), 0) >= inPool)).reduce((sum, t) => sum + accepted(t.last), 0)
	const [{ result: later }] = await site.daemon.call('pool', 'get_pool_stats')
	assert.ok(inThings <= later.accepted_shares, `${inThings} shares in things, ${later.accepted_shares} in the pool`)

	site.daemon.configure('cpu-miner@b', { enabled: 'no' })
	await site.daemon.reload()
	const two = await site.until('the miner that is gone is offline', (things) =>
		things.filter((t) => status(t) === 'offline').length === 1 && things.filter((t) => status(t) === 'mining').length === 2)
	assert.deepEqual(two.map((t) => t.id).sort(), ids)
	assert.deepEqual(await site.call('getThingsCount', { query: {} }), 3)
	site.daemon.configure('cpu-miner@b', { enabled: 'yes' })
	await site.daemon.reload()
	const back = await site.until('it is mining again', mining(3))
	assert.deepEqual(back.map((t) => t.id).sort(), ids)
	assert.deepEqual(back.map((t) => t.code).sort(), list.map((t) => t.code).sort())
}))

test('2: things keep ids and codes over a restart; projections, paging and queries', () => withSite({ miners: RATES, pool: FAST }, async (site) => {
	const first = await site.until('all are mining', mining(3))
	const codes = (list) => list.map((t) => [t.id, t.code]).sort()
	await site.daemon.restart('miningos')
	const again = await wait('all are mining after the restart', async () => {
		const list = await site.things()
		return mining(3)(list) && list
	})
	assert.deepEqual(codes(again), codes(first))
	const page = await site.call('listThings', { sort: { code: -1 }, fields: { code: 1 }, offset: 1, limit: 1 })
	assert.deepEqual(page, [{ code: first.map((t) => t.code).sort()[1] }])
	const [one] = first
	for (const query of [{ id: one.id }, { tags: { $in: [`id-${one.id}`] } }, { code: { $regex: `${one.code.slice(-4)}$` } },
		{ $and: [{ id: { $ne: first[1].id } }, { id: { $ne: first[2].id } }] }])
		assert.deepEqual((await site.things({ query })).map((t) => t.id), [one.id], JSON.stringify(query))
	assert.strictEqual(await site.call('getThingsCount', { query: { 'tags': 't-miner' } }), 3)
	assert.deepEqual(await site.things({ query: { id: 'nobody' } }), [])
	const lines = await site.rest('admin', 'GET', '/auth/miners?overwriteCache=true')
	assert.deepEqual(lines.map((l) => l.status), ['mining', 'mining', 'mining'])
	await site.call('saveThingComment', { thingId: one.id, comment: 'loud', user: 'admin@example.com' })
	const [commented] = await site.things({ query: { id: one.id } })
	assert.strictEqual(commented.comments[0].comment, 'loud')
	const id = commented.comments[0].id
	await site.call('editThingComment', { thingId: one.id, id, comment: 'louder', user: 'admin@example.com' })
	await site.call('deleteThingComment', { thingId: one.id, id, user: 'admin@example.com' })
	assert.deepEqual((await site.things({ query: { id: one.id } }))[0].comments, [])
	await assert.rejects(site.call('saveThingComment', { thingId: 'nobody', comment: 'x', user: 'u' }), /ERR_THING_NOTFOUND/)
}))

test('2: figures of the pool, of chain and template, and logs', () => withSite({ miners: { a: 100000 }, pool: FAST }, async (site) => {
	await site.until('it is mining', mining(1))
	for (const key of ['stats', 'workers', 'workers-count', 'blocks', 'transactions', 'stats-history'])
		await wait(`the pool rack answers ${key}`, () => site.call('getWrkExtData', { type: 'minerpool', query: { key, start: Date.now() - 86400e3, end: Date.now() } }, POOL_TYPE))
	const { pools } = await wait('the app-node lists the pool with its worker', async () => {
		const got = await site.rest('admin', 'GET', '/auth/pools?overwriteCache=true')
		return got.pools.some((p) => p.activeWorkerCount === 1 && p.hashrate > 1e4 && p.hashrate < 1e6) && got
	})
	assert.strictEqual(pools.length, 1)
	await assert.rejects(site.call('getWrkExtData', { type: 'minerpool', query: { key: 'nothing' } }, POOL_TYPE), /ERR_KEY_INVALID/)
	await wait('there is a real-time aggregate', async () => (await site.call('tailLog', { key: 'stat-rtd', tag: 't-miner' })).length > 0)
	/* Of five minutes there need be none yet. */
	const [{ id }] = await site.things()
	for (const [key, tag] of [['thing-5m', id], ['stat-5m', 't-miner'], ['stat-30m', 't-miner'], ['stat-3h', 't-miner'], ['stat-1D', 't-miner']])
		await site.call('tailLog', { key, tag })
	await assert.rejects(site.call('tailLog', { key: 'no-such-key', tag: 't-miner' }), /ERR_LOG_/)
	for (const logType of ['alerts', 'info'])
		await site.call('getHistoricalLogs', { logType })
	await assert.rejects(site.call('getHistoricalLogs', { logType: 'x' }), /ERR_INFO_HISTORY_LOG_TYPE_INVALID/)
}))

/* --- 3: another pool --- */

/* A second pool, and a jdc with a miner behind it, which mines for the first one. */
async function configureJdc(daemon) {
	const [two, down] = [await freePort(), await freePort()]
	const key = (role) => path.join(daemon.directory, 'state', role, 'authority.pub')
	daemon.configure('sv2-server@two', { process: 'mining-two', listen: `127.0.0.1:${two}` })
	daemon.configure('pool@two', { ...daemon.sections.get('pool'), process: 'mining-two' })
	daemon.configure('sv2-server@down', { process: 'jdc', listen: `127.0.0.1:${down}` })
	daemon.configure('jdc', { process: 'jdc', mode: 'proxy', payout: daemon.sections.get('pool').payout, allow_pool: '127.0.0.1',
		template_provider: daemon.sections.get('pool').template_provider, ...FAST, min_difficulty: 1e-6 })
	daemon.configure('jdc/one', { address: `127.0.0.1:${daemon.port}`, authority_key_file: key('sv2-server'), user_identity: 'farm' })
	daemon.configureMiner('behind', 100000, { upstream: `127.0.0.1:${down}`, authority_key_file: key('sv2-server@down') })
	return { url: () => `stratum2+tcp://127.0.0.1:${two}/${fs.readFileSync(key('sv2-server@two'), 'utf8').trim()}` }
}

const poolStats = async (site, pool) => (await site.daemon.call(pool, 'get_pool_stats'))[0].result

/* setupPools through REST, vote, ork, rack and stratum module; then the result through REST. */
async function changePool(site, thing, action, params) {
	const { id } = await site.proposed('operator', action, params, { id: thing.id })
	const calls = await site.results(id)
	assert.deepEqual(calls.map((c) => [c.id, c.result && c.result.success]), [[thing.id, true]], JSON.stringify(calls))
	const [shown] = await site.rest('admin', 'GET', `/auth/actions/done/${id}`)
	assert.strictEqual(shown.targets[RACK].calls[0].result.success, true)
}

test('3: setupPools sends what is mined to another pool', async () => {
	if (!fs.existsSync(path.join(BUILD, 'stage/plugins/jdc.so')))
		skip('jdc is not built')
	let second
	await withSite({ pool: FAST, miningos: { sources: 'jdc', supported_actions: 'setupPools, updatePoolConfig', pool_config_target: 'jdc' },
		configure: async (daemon) => { second = await configureJdc(daemon) } }, async (site) => {
		const [thing] = await site.until('the miner behind jdc is mining', mining(1))
		await wait('shares arrive at the first pool', async () => (await poolStats(site, 'pool')).accepted_shares > 0)
		assert.strictEqual((await poolStats(site, 'pool@two')).channel_count, 0)
		const url = second.url()
		await changePool(site, thing, 'setupPools', [{ config: { id: 'pools-2', poolUrls: [{ url, workerName: 'farm2' }] } }])
		await wait('shares arrive at the second pool', async () => (await poolStats(site, 'pool@two')).accepted_shares > 0)
		const [changed] = await site.until('the thing shows the new pool', ([t]) => {
			const shown = t.last.snap.config.pool_config
			if (t.info.poolConfig !== 'pools-2' || !shown.some((p) => p.url.includes(url.split('/')[2])))
				throw new Error(`info.poolConfig ${t.info.poolConfig}, config.pool_config ${JSON.stringify(shown)}`)
			return true
		})
		assert.strictEqual(changed.id, thing.id)
		const [{ result }] = await site.daemon.call('pool@two', 'list_channels')
		assert.ok(result.channels.every((c) => c.user.startsWith('farm2')), JSON.stringify(result.channels))
		/* A pool that does not exist is refused or rolled back, and the miner goes on. */
		const bad = { config: { id: 'pools-3', poolUrls: [{ url: 'stratum2+tcp://elsewhere.example.com:1', workerName: 'x' }] } }
		const refused = await site.propose('operator', 'setupPools', [bad], { id: thing.id })
		if (refused.id !== null) {
			const [{ result: r, error }] = await site.results(refused.id)
			assert.ok(error !== undefined || r.success === false, JSON.stringify(r))
		}
		const before = (await poolStats(site, 'pool@two')).accepted_shares
		await wait('shares still arrive at the second pool', async () => (await poolStats(site, 'pool@two')).accepted_shares > before)
	})
})

/* --- 4: votes --- */

test('4: rackReboot needs two voters; one negative vote denies; its creator cancels', () => withSite({ miners: { a: 50000 } }, async (site) => {
	await site.rack()
	const pid = await site.daemon.pid('miningos')
	const vote = (name, id, approve) => site.rest(name, 'PUT', `/auth/actions/voting/${id}/vote`, { approve })
	const denied = await site.propose('operator', 'rackReboot', [])
	assert.deepEqual(await vote('admin', denied.id, false), [{ res: 1 }])
	assert.strictEqual((await site.done(denied.id)).status, 'DENIED')
	const cancelled = await site.propose('operator', 'rackReboot', [])
	const [{ res }] = await site.rest('operator', 'DELETE', `/auth/actions/voting/cancel?ids=${cancelled.id}`)
	assert.deepEqual(res, [{ id: cancelled.id, success: true }])
	assert.strictEqual(await site.daemon.pid('miningos'), pid)

	const agreed = await site.propose('operator', 'rackReboot', [])
	const [waiting] = await site.rest('admin', 'GET', `/auth/actions/voting/${agreed.id}`)
	assert.strictEqual(waiting.reqVotesPos, 2)
	assert.deepEqual(await vote('admin', agreed.id, true), [{ res: 1 }])
	assert.deepEqual((await site.results(agreed.id)).map((c) => c.result), [1])
	await wait('the role runs anew', async () => {
		const now = await site.daemon.pid('miningos')
		return now !== 0 && now !== pid
	})
	await wait('the rack answers again', () => site.call('ping', { a: 1 }))
	assert.strictEqual(site.daemon.end, undefined)
}))

/* --- 5: what is not supported, or invalid --- */

test('5: errors reach targets and calls', () => withSite({ miners: { a: 50000 }, miningos: { supported_actions: 'reboot, setPowerMode' } }, async (site) => {
	const [thing] = await site.until('it is mining', mining(1))
	const query = { id: thing.id }
	const beside = await new FakeRack(site.network.make(), { id: 'miner-other-1', type: 'miner-other' }).start()
	site.ork.registerRack(beside.registration)

	const refused = await site.propose('operator', 'setPowerMode', ['turbo'], query)
	assert.strictEqual(refused.id, null)
	assert.ok(refused.errors.some((e) => e.includes('ERR_SET_POWER_MODE_INVALID')), JSON.stringify(refused))
	const unknown = await site.propose('operator', 'makeCoffee', [], query)
	assert.deepEqual(unknown, { id: null, errors: ['ERR_ORK_ACTION_CALLS_EMPTY'] })
	const off = await site.call('getWriteCalls', { query, action: 'setupPools', params: [] })
	assert.deepEqual(off.calls, [])

	/* The other rack has calls for this, so the action is stored, with the error beside them. */
	beside.serve = async (method) =>
		Buffer.from(JSON.stringify(method === 'getWriteCalls' ? { reqVotes: 1, calls: [{ id: 'x', tags: [] }] } : { success: true }))
	const mixed = await site.propose('operator', 'setPowerMode', ['turbo'], {})
	assert.match((await site.done(mixed.id)).targets[RACK].error, /ERR_SET_POWER_MODE_INVALID/)

	await assert.rejects(site.call('queryThing', { id: 'nobody', method: 'reboot', params: [{ actionId: 1, user: 'u' }] }), /ERR_THING_NOTFOUND/)
	await assert.rejects(site.call('queryThing', { id: thing.id, method: 'nothing', params: [{ actionId: 1, user: 'u' }] }), /ERR_THING_METHOD_NOTFOUND/)
	assert.strictEqual((await site.rest('reader', 'GET', '/auth/list-racks?type=miner')).length, 1)
}))

test('5: actions act: reboot, sleep and normal; an LED is refused', () => withSite({ miners: { a: 100000, b: 50000 }, pool: FAST,
	miningos: { require_approval: 'no' } }, async (site) => {
	const things = await site.until('both are mining', mining(2))
	const query = { id: things[0].id }
	const said = () => site.daemon.said('sv2-server')
	const one = async () => (await site.things({ query }))[0]
	const results = async (action, params) => (await site.results((await site.proposed('operator', action, params, query)).id)).map((c) => c.result && c.result.success)

	assert.deepEqual(await results('setPowerMode', ['sleep']), [true])
	await wait('it sleeps', async () => status(await one()) === 'sleeping')
	assert.strictEqual((await site.things()).filter((t) => status(t) === 'mining').length, 1)
	assert.deepEqual(await results('setPowerMode', ['normal']), [true])
	await wait('it is mining again', async () => status(await one()) === 'mining')

	const before = (await said()).accepted_connections || (await said()).connections_total
	assert.deepEqual(await results('reboot', []), [true])
	await site.until('both are mining after the reboot', mining(2))
	assert.ok(before === undefined || ((await said()).accepted_connections || (await said()).connections_total) > before)

	const led = await site.propose('operator', 'setLED', [true], query)
	if (led.id === null) {
		assert.ok(led.errors.length > 0)
	} else {
		const [{ result, error }] = await site.results(led.id)
		assert.ok(error !== undefined || (result.success === false && result.error_msg.length > 0), JSON.stringify(result))
	}
}))

/* --- 6: killed --- */

test('6: the bridge is killed, the ork goes and comes back empty: the role lives on', () => withSite({ miners: { a: 50000 } }, async (site) => {
	await site.until('it is mining', mining(1))
	const pid = await site.daemon.pid('miningos')
	for (let i = 0; i < 3; i++) {
		const bridge = await wait('there is a bridge', () => site.daemon.bridge())
		process.kill(bridge, 'SIGKILL')
		await wait('there is another bridge', () => site.daemon.bridge() > 0 && site.daemon.bridge() !== bridge)
		await wait('the rack answers again', () => site.call('ping', { i }))
	}
	await site.stopOrk()
	await pause(2500)
	await site.startOrk()
	await site.rack()
	await site.until('it is mining, the ork says', mining(1))
	assert.strictEqual(await site.daemon.pid('miningos'), pid)
}))

if (process.env.MININGOS_DHT)
	test('6: the DHT goes and comes back', () => withSite({ miners: { a: 50000 } }, async (site) => {
		await site.until('it is mining', mining(1))
		const pid = await site.daemon.pid('miningos')
		await site.network.dht.stop()
		await pause(2500)
		await site.network.dht.start()
		await site.stopOrk()
		await site.startOrk()
		await site.rack()
		await site.until('it is mining, over the new DHT', mining(1))
		assert.strictEqual(await site.daemon.pid('miningos'), pid)
	}))

/* --- 8: many --- */

const MANY = 10000

/* The clients of so many channels, as a process; ends with its standard input. */
async function crowd(site, count) {
	const child = spawn(path.join(BUILD, 'tests/miningos/crowd'), [site.daemon.port, count], { stdio: ['pipe', 'pipe', 'inherit'] })
	let text = ''
	child.stdout.on('data', (d) => { text += d })
	await wait('all channels are open', () => {
		if (child.exitCode !== null)
			throw new Error(`crowd ended: ${child.exitCode}`)
		return text.includes('open')
	})
	return { child, end: () => child.stdin.end() }
}

test('8: ten thousand things', () => withSite({}, async (site) => {
	const clients = await crowd(site, MANY)
	await wait('all are things', async () => (await site.call('getThingsCount', { query: {} })) === MANY)
	const seen = new Set()
	let worst = 0
	for (let offset = 0; offset < MANY; offset += 1000) {
		const started = performance.now()
		const page = await site.call('listThings', { status: 1, sort: { code: 1 }, offset, limit: 1000 })
		worst = Math.max(worst, performance.now() - started)
		assert.strictEqual(page.length, 1000)
		page.forEach((t) => seen.add(t.id))
	}
	assert.strictEqual(seen.size, MANY)
	const started = performance.now()
	const codes = []
	for (let offset = 0; offset < MANY; offset += 5000)
		codes.push(...await site.call('listThings', { fields: { code: 1, id: 1 }, limit: 5000, offset }))
	const whole = performance.now() - started
	assert.strictEqual(new Set(codes.map((t) => t.code)).size, MANY)
	const searched = performance.now()
	const [last] = await site.call('listThings', { query: { code: codes.at(-1).code }, limit: 1 })
	const found = performance.now() - searched
	assert.strictEqual(last.id, codes.at(-1).id)
	const calls = await site.call('getWriteCalls', { query: { tags: { $in: ['t-miner'] } }, action: 'reboot', params: [] })
	assert.strictEqual(calls.calls.length, MANY)
	console.log(`        a page of 1,000 with status: ${worst.toFixed()} ms at most; ${MANY} codes: ${whole.toFixed()} ms; one of them: ${found.toFixed()} ms`)
	for (const ms of [worst, whole, found])
		assert.ok(ms < 10000 * SLOW, `${ms} ms`)
	clients.end()
}))

module.exports = { configureJdc }
