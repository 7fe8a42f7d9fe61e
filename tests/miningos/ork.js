/* SPDX-License-Identifier: MIT */
/*
 * ork.js: a stand-in for MiningOS's orchestrator: the registry of racks, all methods that one has, and
 * the queue of actions. It is strict: whatever a rack answers is compared with the tables, and what
 * does not fit is in `violations`. It trusts nobody else to have understood MiningOS: it is written from
 * what MiningOS does, and not from the plugin that it is to try.
 */
'use strict'

const { Actions } = require('./ork_actions')
const { aggregate, BASES } = require('./ork_logs')
const { project, sorted } = require('./query')
const { ERROR, KEY, checkAnswer } = require('./tables')
const { check } = require('./shape')
const { TransportError } = require('./net_socket')

const WRITES = ['registerRack', 'forgetRacks', 'forgetThings', 'saveThingComment', 'editThingComment', 'deleteThingComment',
	'pushAction', 'pushActionsBatch', 'voteAction', 'cancelActionsBatch', 'saveWrkSettings', 'setGlobalConfig']
const READ_MS = 10000
const matchesType = (rack, type) => rack.type === type || rack.type.startsWith(`${type}-`)
const base = (type) => type.split('-')[0]

class Ork {
	/* NET as net_socket.js and net_dht.js have it. Options: allow, allowReadOnly: lists of client keys;
	 * interval: ms between two looks at the queue; limits: see tables.js; newer: whether the methods of
	 * newer orchestrators are there. */
	constructor(net, { allow, allowReadOnly, interval, limits = {}, newer = true } = {}) {
		Object.assign(this, { net, allow, allowReadOnly, limits })
		this.racks = new Map()
		this.violations = []
		this.calls = [] /* what racks were asked: {rack, method, ms, error} */
		this.requests = [] /* what was asked of the orchestrator: {method, peer, argument} */
		this.globalConfig = { isAutoSleepAllowed: false }
		this.actions = new Actions({
			call: (...a) => this.call(...a), racks: () => [...this.racks.values()], matchesType, interval
		})
		this.methods = Object.fromEntries(METHODS.filter((m) => newer || !NEWER.includes(m)).map((m) => [m, (a) => this[m](a)]))
	}

	/* Whatever was wrong, in answers of racks and in how they came. */
	get problems() {
		return [...this.violations, ...(this.net.strays || [])]
	}

	get key() {
		return this.net.key
	}

	async start() {
		this.net.refuses = (peer) => this.refuses(peer)
		await this.net.serve((...a) => this.serve(...a), ['ping', 'echo', ...Object.keys(this.methods)])
		return this
	}

	async close() {
		this.actions.close()
		await this.net.close()
	}

	/* --- being asked --- */

	/* The firewall: neither list: everybody; an empty list admits nobody. */
	refuses(peer) {
		const lists = [this.allow, this.allowReadOnly]
		return lists.some((l) => l !== undefined) && !lists.some((l) => (l || []).includes(peer))
	}

	mayCall(peer, method) {
		if (this.refuses(peer))
			throw new TransportError('CHANNEL_CLOSED', 'the firewall lets nobody in')
		const readOnly = this.allowReadOnly !== undefined && !(this.allow || []).includes(peer)
		return readOnly && WRITES.includes(method) ? 'ERR_MISSING_WRITE_PERMISSIONS' : null
	}

	async serve(method, payload, peer) {
		const refused = this.mayCall(peer, method)
		if (method === 'ping' || method === 'echo')
			return payload
		if (!Object.hasOwn(this.methods, method))
			throw new TransportError('UNKNOWN_METHOD', `unknown method '${method}'`)
		return Buffer.from(JSON.stringify(await this.answer(method, payload, peer, refused)))
	}

	async answer(method, payload, peer, refused) {
		let argument
		try {
			argument = JSON.parse(payload)
		} catch (e) {
			this.violations.push(`request ${method} is no JSON`)
			return '[HRPC_ERR]=ERR_FACS_NET_DATA_FORMAT'
		}
		this.requests.push({ method, peer, argument })
		if (refused !== null)
			return `[HRPC_ERR]=${refused}`
		if (argument === null || typeof argument !== 'object' || Array.isArray(argument)) {
			this.violations.push(`request ${method}: an object is expected, not ${payload.toString().slice(0, 80)}`)
			argument = {}
		}
		try {
			return await this.methods[method](argument)
		} catch (e) {
			return `[HRPC_ERR]=${e.message}`
		}
	}

	/* --- asking racks --- */

	/* The rack's answer; an error that it answers is thrown, with its prefix, as it would be there. */
	async call(rack, method, argument, ms = READ_MS) {
		const started = performance.now()
		const entry = { rack: rack.id, method, argument, ms: 0, bytes: 0, error: null }
		this.calls.push(entry)
		try {
			const payload = await this.net.request(rack.info.rpcPublicKey, method, Buffer.from(JSON.stringify(argument)), { timeout: ms })
			entry.bytes = payload.length
			return this.take(rack, method, argument, payload)
		} catch (e) {
			entry.error = e.message
			throw e
		} finally {
			entry.ms = performance.now() - started
		}
	}

	take(rack, method, argument, payload) {
		let value
		try {
			value = JSON.parse(payload)
		} catch (e) {
			this.violations.push(`${rack.id} ${method}: no JSON: ${payload.toString().slice(0, 80)}`)
			throw new Error('ERR_FACS_NET_DATA_FORMAT')
		}
		/* What is wrong in each of a thousand things is said once. */
		for (const problem of checkAnswer(rack, method, argument, value, this.limits)) {
			const once = `${rack.id} ${problem.replace(/\[\d+\]/g, '[]')}`
			if (!this.violations.includes(once))
				this.violations.push(once)
		}
		if (typeof value === 'string' && ERROR.test(value))
			throw new Error(value)
		return value
	}

	of(type) {
		return [...this.racks.values()].filter((r) => type === undefined || matchesType(r, type))
	}

	/* The answers of RACKS in their order; one that fails adds nothing. */
	async each(racks, method, argument) {
		const answers = await Promise.allSettled(racks.map((r) => this.call(r, method, argument)))
		return answers.map((a, i) => ({ rack: racks[i], value: a.value, failed: a.status === 'rejected' })).filter((a) => !a.failed)
	}

	async concatenated(racks, method, argument) {
		return (await this.each(racks, method, argument)).flatMap((a) => a.value)
	}

	/* Asks one rack; 0 when there is none, or it fails. */
	async one(argument, method, error = null) {
		const rack = this.racks.get(argument.rackId)
		if (rack === undefined)
			return 0
		const { rackId, ...rest } = argument
		try {
			return await this.call(rack, method, rest)
		} catch (e) {
			if (error !== null)
				throw new Error(error)
			return 0
		}
	}

	/* --- methods: racks --- */

	registerRack(rack) {
		if (typeof rack.id !== 'string' || rack.id === '')
			throw new Error('ERR_RACK_ID_INVALID')
		if (typeof rack.type !== 'string' || rack.type === '')
			throw new Error('ERR_RACK_TYPE_INVALID')
		if (check((rack.info || {}).rpcPublicKey, KEY, '').length > 0)
			throw new Error('ERR_RACK_INFO_RPC_PUBKEY_INVALID')
		this.racks.set(rack.id, rack)
		return 1
	}

	forgetRacks({ ids, all }) {
		const gone = all ? [...this.racks.keys()] : (ids || []).filter((id) => this.racks.has(id))
		for (const id of gone)
			this.racks.delete(id)
		return gone.length
	}

	listRacks({ type, keys }) {
		return this.of().filter((r) => type === undefined || r.type.startsWith(type)).map(({ id, type: t, info }) => {
			const { rpcPublicKey, ...rest } = info
			return { id, type: t, info: keys ? { rpcPublicKey, ...rest } : rest }
		})
	}

	/* --- methods: things --- */

	/* Racks of pool accounts have none. */
	thingRacks() {
		return this.of().filter((r) => base(r.type) !== 'minerpool')
	}

	async listThings(argument) {
		const all = await this.concatenated(this.thingRacks(), 'listThings', argument)
		return argument.sort ? sorted(all, argument.sort) : all
	}

	async getThingsCount(argument) {
		return (await this.each(this.thingRacks(), 'getThingsCount', argument)).reduce((sum, a) => sum + a.value, 0)
	}

	async forgetThings(argument) {
		return (await this.each(this.thingRacks(), 'forgetThings', argument)).reduce((sum, a) => sum + a.value, 0)
	}

	saveThingComment(argument) {
		return this.one(argument, 'saveThingComment')
	}

	editThingComment(argument) {
		return this.one(argument, 'editThingComment')
	}

	deleteThingComment(argument) {
		return this.one(argument, 'deleteThingComment')
	}

	/* --- methods: logs --- */

	async getHistoricalLogs(argument) {
		if (argument.logType !== 'alerts' && argument.logType !== 'info')
			throw new Error('ERR_LOG_TYPE_INVALID')
		return this.concatenated(this.thingRacks(), 'getHistoricalLogs', argument)
	}

	async tailLog({ type, ...argument }) {
		if (typeof type !== 'string' || type === '')
			throw new Error('ERR_TYPE_INVALID')
		if (!Object.hasOwn(BASES, base(type)))
			throw new Error('ERR_TYPE_AGGR_INVALID')
		const { aggrFields, aggrTimes, applyAggrCrossthg, ...asked } = argument
		const entries = (await this.each(this.of(type), 'tailLog', asked)).map((a) => a.value)
		return aggregate(base(type), entries, aggrFields)
	}

	async tailLogMulti({ keys, ...shared }) {
		if (!Array.isArray(keys) || keys.length === 0)
			throw new Error('ERR_KEYS_INVALID')
		return Promise.all(keys.map((k) => this.tailLog({ ...shared, ...k })))
	}

	async tailLogCustomRangeAggr({ keys }) {
		if (!Array.isArray(keys))
			throw new Error('ERR_KEYS_INVALID')
		return Promise.all(keys.map(async ({ type, startDate, endDate, fields }) => {
			try {
				const [start, end] = [startDate, endDate].map((d) => new Date(d).getTime())
				const data = await this.tailLog({ type, key: 'stat-1D', tag: `t-${type}`, start, end, fields })
				return { type, data, error: null }
			} catch (e) {
				return { type, data: null, error: e.message }
			}
		}))
	}

	async getWrkExtData(argument) {
		return this.concatenated(this.of(argument.type), 'getWrkExtData', argument)
	}

	/* --- methods: configuration --- */

	async getWrkConf({ type, ...rest }) {
		return (await this.each(this.of(type), 'getWrkConf', rest)).map((a) => ({ rackId: a.rack.id, config: a.value }))
	}

	async getThingConf({ type, ...rest }) {
		return (await this.each(this.of(type), 'getThingConf', rest)).map((a) => ({ rackId: a.rack.id, requestValue: a.value }))
	}

	getWrkSettings(argument) {
		return this.one(argument, 'getWrkSettings', 'ERR_GET_SETTINGS_FAILED')
	}

	saveWrkSettings(argument) {
		return this.one(argument, 'saveWrkSettings', 'ERR_SAVE_SETTINGS_FAILED')
	}

	getGlobalConfig({ fields }) {
		return project(this.globalConfig, fields)
	}

	setGlobalConfig({ isAutoSleepAllowed }) {
		if (typeof isAutoSleepAllowed !== 'boolean')
			throw new Error('ERR_GLOBAL_CONFIG_INVALID')
		this.globalConfig = { isAutoSleepAllowed }
		return this.globalConfig
	}

	getConfigs() {
		return []
	}

	/* --- methods: actions --- */

	pushAction(argument) {
		return this.actions.push(argument)
	}

	pushActionsBatch(argument) {
		return this.actions.pushBatch(argument)
	}

	voteAction(argument) {
		return this.actions.vote(argument)
	}

	cancelActionsBatch(argument) {
		return this.actions.cancel(argument)
	}

	getAction(argument) {
		return this.actions.get(argument)
	}

	getActionsBatch(argument) {
		return this.actions.getBatch(argument)
	}

	queryActions(argument) {
		return this.actions.query(argument)
	}
}

/* Called by newer app-nodes, and missing in older orchestrators. */
const NEWER = ['getConfigs', 'getThingsCount']
const METHODS = ['registerRack', 'forgetRacks', 'listRacks', 'listThings', 'forgetThings', 'getHistoricalLogs', 'tailLog',
	'tailLogMulti', 'tailLogCustomRangeAggr', 'saveThingComment', 'editThingComment', 'deleteThingComment', 'pushAction',
	'pushActionsBatch', 'voteAction', 'cancelActionsBatch', 'getAction', 'getActionsBatch', 'queryActions', 'getWrkExtData',
	'getWrkConf', 'getThingConf', 'getWrkSettings', 'saveWrkSettings', 'getGlobalConfig', 'setGlobalConfig', ...NEWER]

module.exports = { METHODS, Ork, WRITES }
