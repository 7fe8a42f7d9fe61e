/* SPDX-License-Identifier: MIT */
/*
 * fake_rack.js: racks for the stand-ins' own test. One does what a rack has to; WRONG is what may be
 * done to its answers, so that each has to be noticed.
 */
'use strict'

const crypto = require('node:crypto')
const { matches, project, sorted } = require('./query')
const { typeTags } = require('./tables')
const { TransportError } = require('./net_socket')

const ACTIONS = { reboot: 1, setPowerMode: 1, setLED: 1, setupPools: 1, rackReboot: 2, registerThing: 1, updateThing: 1, forgetThings: 1 }
const MODES = ['low', 'normal', 'high', 'sleep']

function makeThing(rack, number, now) {
	const id = crypto.createHash('sha256').update(`${rack.id} ${number}`).digest('hex').slice(0, 15)
	const prefix = rack.type.split('-').slice(1).join('-').toUpperCase() || 'MINER'
	const code = `${prefix}-${String(number).padStart(4, '0')}`
	return {
		id, code, type: rack.type, tags: [...typeTags(rack.type), `id-${id}`, `code-${code}`, 'container-c1'],
		info: { container: 'c1', serialNum: `S${number}`, createdAt: now, updatedAt: now }, rack: rack.id, comments: [],
		address: '127.0.0.1', port: 4028,
		last: { ts: now, err: null, alerts: null, snap: {
			success: true, raw_errors: [],
			stats: { status: 'mining', uptime_ms: 1000 * number, hashrate_mhs: { avg: number, t_5s: number, t_5m: number, t_30m: number },
				all_pools_shares: { accepted: 2, rejected: 0, stale: 0 }, pool_status: [{ pool: 'p', accepted: 20, rejected: 1, stale: 0 }] },
			config: { pool_config: [{ url: 'stratum2+tcp://127.0.0.1:3333', username: 'u' }], power_mode: 'normal', suspended: false }
		} }
	}
}

class FakeRack {
	constructor(net, { id, type, count = 3, golden = {}, wrong = (method, answer) => answer }) {
		Object.assign(this, { net, id, type, golden, wrong, settings: {} })
		this.things = Array.from({ length: count }, (_, i) => makeThing(this, i + 1, Date.now()))
		this.executed = []
	}

	get registration() {
		return { id: this.id, type: this.type, info: { rpcPublicKey: this.net.key } }
	}

	async start() {
		await this.net.serve((method, payload) => this.serve(method, payload), Object.keys(METHODS))
		return this
	}

	async serve(method, payload) {
		/* Racks of pool accounts answer this alone. */
		const known = this.type.startsWith('minerpool') ? method === 'getWrkExtData' : Object.hasOwn(METHODS, method)
		if (!known)
			throw new TransportError('UNKNOWN_METHOD', `unknown method '${method}'`)
		let answer
		try {
			answer = METHODS[method](this, JSON.parse(payload))
		} catch (e) {
			answer = `[HRPC_ERR]=${e instanceof SyntaxError ? 'ERR_FACS_NET_DATA_FORMAT' : e.message}`
		}
		answer = this.wrong(method, structuredClone(answer))
		return Buffer.isBuffer(answer) ? answer : Buffer.from(JSON.stringify(answer))
	}
}

function listThings(rack, { query, fields, sort, offset = 0, limit = 100, status }) {
	const found = sorted(rack.things.filter((t) => matches(t, query)), sort).slice(offset, offset + limit)
	return found.map(({ last, ...t }) => project(status ? { ...t, last } : t, fields))
}

function getWriteCalls(rack, { query, action, params, rackActionId }) {
	if (!Object.hasOwn(ACTIONS, action))
		return { reqVotes: 0, calls: [] }
	if (action === 'rackReboot' || action === 'registerThing')
		return { reqVotes: ACTIONS[action], calls: [{ id: rack.id, tags: [] }] }
	if (rackActionId !== undefined)
		return { reqVotes: 1, calls: [{ id: rackActionId, tags: [] }] }
	if (action === 'setLED' && typeof params[0] !== 'boolean')
		throw new Error('ERR_SET_LED_ENABLED_INVALID')
	if (action === 'setPowerMode' && !MODES.includes(params[0]))
		throw new Error('ERR_SET_POWER_MODE_INVALID')
	return { reqVotes: ACTIONS[action], calls: rack.things.filter((t) => matches(t, query)).map(({ id, tags }) => ({ id, tags })) }
}

function queryThing(rack, { id, method, params }) {
	const thing = rack.things.find((t) => t.id === id)
	if (thing === undefined)
		throw new Error('ERR_THING_NOTFOUND')
	if (!Object.hasOwn(ACTIONS, method))
		throw new Error('ERR_THING_METHOD_NOTFOUND')
	rack.executed.push({ id, method, params })
	if (method === 'setLED')
		return { success: false, error_msg: 'there is no LED' }
	return { success: true }
}

const find = (rack, id) => {
	const thing = rack.things.find((t) => t.id === id)
	if (thing === undefined)
		throw new Error('ERR_THING_NOTFOUND')
	return thing
}

function tailLog(rack, argument) {
	const entries = rack.golden.tailLog && rack.golden.tailLog[argument.key]
	if (entries === undefined)
		throw new Error('ERR_LOG_KEY_NOTFOUND')
	return entries.slice(0, argument.limit === undefined ? 100 : argument.limit)
}

const METHODS = {
	ping: (rack, a) => a,
	echo: (rack, a) => a,
	getInstanceId: () => 'rack-6f1cd0f0-2f5e-4a6e-9d7b-0e6a4d1f2b3c',
	getRack: (rack) => ({ id: rack.id, rpcPubKey: rack.net.key }),
	listThings,
	getThingsCount: (rack, { query }) => rack.things.filter((t) => matches(t, query)).length,
	getWriteCalls,
	queryThing,
	tailLog,
	getHistoricalLogs: (rack, { logType }) => {
		if (logType !== 'alerts' && logType !== 'info')
			throw new Error('ERR_INFO_HISTORY_LOG_TYPE_INVALID')
		return rack.golden.getHistoricalLogs || []
	},
	getWrkExtData: (rack, { query }) => {
		if (query === undefined)
			throw new Error('ERR_QUERY_INVALID')
		if (rack.golden.extData === undefined)
			return {}
		if (!Object.hasOwn(rack.golden.extData, query.key))
			throw new Error('ERR_KEY_INVALID')
		return rack.golden.extData[query.key]
	},
	getWrkConf: () => ({ site: 'site-1' }),
	getThingConf: (rack, { requestType }) => {
		if (requestType !== 'nextAvailableCode')
			throw new Error('ERR_INVALID_REQUEST_TYPE')
		return `SV2-${String(rack.things.length + 1).padStart(4, '0')}`
	},
	getWrkSettings: (rack) => rack.settings,
	saveWrkSettings: (rack, { entries }) => {
		if (entries === null || typeof entries !== 'object')
			throw new Error('ERR_ENTRIES_INVALID')
		Object.assign(rack.settings, entries)
		return 1
	},
	saveThingComment: (rack, { thingId, comment, user }) => {
		find(rack, thingId).comments.push({ id: String(Math.random()), ts: Date.now(), comment, user })
		return 1
	},
	editThingComment: (rack, { thingId, id, comment }) => {
		const found = find(rack, thingId).comments.find((c) => c.id === id)
		if (found === undefined)
			throw new Error('ERR_THING_COMMENT_NOTFOUND')
		found.comment = comment
		return 1
	},
	deleteThingComment: (rack, { thingId, id }) => {
		const thing = find(rack, thingId)
		if (!thing.comments.some((c) => c.id === id))
			throw new Error('ERR_THING_COMMENT_NOTFOUND')
		thing.comments = thing.comments.filter((c) => c.id !== id)
		return 1
	},
	registerThing: (rack) => {
		rack.things.push(makeThing(rack, rack.things.length + 1, Date.now()))
		return 1
	},
	updateThing: (rack, { id, info }) => {
		Object.assign(find(rack, id).info, info)
		return 1
	},
	forgetThings: (rack, { query, all }) => {
		rack.things = rack.things.filter((t) => !all && !matches(t, query))
		return 1
	},
	rackReboot: (rack) => {
		rack.executed.push({ id: rack.id, method: 'rackReboot', params: [] })
		return 1
	}
}

module.exports = { FakeRack }
