/* SPDX-License-Identifier: MIT */
/*
 * tables.js: what a rack's answers have to look like: the thing, its snapshot, logs, and the minerpool
 * rack's keys, with units. Each table says what MiningOS itself relies on; what is not in it is let be.
 */
'use strict'

const { check, either, mapOf, oneOf, range, rule, text, whole } = require('./shape')

const STATUSES = ['mining', 'sleeping', 'not_mining', 'error', 'offline']
const POWER_MODES = ['low', 'normal', 'high', 'sleep']
const DAY_MS = 86400e3

/* What is possible at all. A test with miners of a known rate narrows `mhs`, so that a value in H/s or
 * in TH/s stands out; `now` is for clocks that are wrong on purpose. */
const defaults = { mhs: 1e9, now: () => Date.now(), skewMs: DAY_MS }

const COUNT = whole(0, 1e15)
const KEY = text(/^[0-9a-f]{64}$/, 'a public key, 64 hex digits')

/* Milliseconds since 1970: seconds and microseconds are far outside. */
const time = (limits) => rule('int', (v, complain) => {
	if (v < 1e12 || v > limits.now() + limits.skewMs)
		complain(`${v} is no time in milliseconds up to now`)
})

/* --- alerts and snapshots --- */

const alert = (limits) => ({
	name: 'string', code: either('string', 'int'), description: 'string',
	severity: oneOf('critical', 'high', 'medium', 'low'),
	createdAt: time(limits), uuid: 'string', 'message?': 'string'
})

const SHARES = { accepted: COUNT, rejected: COUNT, stale: COUNT }

function stats(limits) {
	const mhs = range(0, limits.mhs)
	return rule({
		status: oneOf(...STATUSES),
		uptime_ms: whole(0, 50 * 365 * DAY_MS),
		hashrate_mhs: { avg: mhs, t_5s: mhs, t_5m: mhs, t_30m: mhs },
		all_pools_shares: SHARES,
		pool_status: [{ pool: 'string', ...SHARES }],
		'errors?': [{ name: 'string', 'code?': 'any', 'message?': 'string', 'timestamp?': time(limits) }],
		'power_w?': range(0, 20000),
		'efficiency_w_ths?': range(0, 1e9),
		'nominal_efficiency_w_ths?': range(0, 1e9),
		'frequency_mhz?': { avg: range(0, 10000), 'chips?': [{ index: COUNT, current: range(0, 10000) }] },
		'temperature_c?': {
			'ambient?': range(-60, 150), max: range(-60, 150), avg: range(-60, 150),
			'chips?': [{ index: COUNT, max: range(-60, 150), avg: range(-60, 150) }]
		}
	}, (v, complain) => {
		if (v.errors !== undefined && v.errors.length > 0 && v.status !== 'error')
			complain('only a thing in error has errors', '.errors')
		if (v.status === 'offline')
			complain('a snapshot that succeeded is not of a thing that is offline', '.status')
	})
}

const CONFIG = rule({
	pool_config: [{ url: 'string', username: 'string' }],
	power_mode: oneOf(...POWER_MODES),
	suspended: 'bool',
	'led_status?': 'bool',
	'firmware_ver?': 'string',
	'network_config?': {
		'mode?': 'string', 'ip_address?': 'string', 'dns?': 'any', 'ip_gw?': 'string', 'ip_netmask?': 'string'
	}
}, (v, complain) => {
	if (v.suspended !== (v.power_mode === 'sleep'))
		complain('suspended goes with power_mode sleep, and with no other', '.suspended')
})

function snap(limits) {
	const good = rule({ success: oneOf(true), raw_errors: ['any'], stats: stats(limits), config: CONFIG, 'model?': 'string' },
		(v, complain) => {
			if (v.config.suspended !== (v.stats.status === 'sleeping'))
				complain('sleeping and config.suspended go together', '.stats.status')
		})
	const failed = {
		success: oneOf(false),
		stats: rule({ status: oneOf('offline', 'error'), 'errors?': [{ msg: 'string', timestamp: time(limits) }] },
			(v, complain) => {
				if ((v.status === 'error') !== (v.errors !== undefined && v.errors.length > 0))
					complain('errors belong to status error, and have to be there then', '.errors')
			})
	}
	return { $: 'rule', shape: 'object', demand: (v, complain) => {
		for (const p of check(v, v.success === false ? failed : good, ''))
			complain(p.replace(/^[^:]*: /, ''), p.replace(/: .*/s, ''))
	} }
}

const last = (limits) => ({
	ts: time(limits),
	err: either('null', 'string'),
	alerts: either('null', [alert(limits)]),
	snap: snap(limits)
})

/* --- the thing --- */

const TYPE = text(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'a dash-separated type')
const THING_ID = text(/^([0-9A-Za-z]{15}|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})$/,
	'15 base62 characters or a version 4 UUID')
const CODE = text(/^.+-\d+$/, 'a code that ends in -<digits>')

/* "miner-am-s21": t-miner, t-miner-am, t-miner-am-s21. */
function typeTags(type) {
	const parts = type.split('-')
	return parts.map((_, i) => `t-${parts.slice(0, i + 1).join('-')}`)
}

function thingTags(v, complain) {
	const wanted = [...typeTags(v.type), `id-${v.id}`, `code-${v.code}`]
	if (v.info.pos)
		wanted.push(`pos-${v.info.pos}`)
	if (v.info.container)
		wanted.push(`container-${v.info.container}`)
	for (const tag of wanted)
		if (!v.tags.includes(tag))
			complain(`${tag} is missing`, '.tags')
	if (new Set(v.tags).size !== v.tags.length)
		complain('a tag stands twice', '.tags')
	for (const tag of v.tags)
		if (/^(id|code|pos|container)-/.test(tag) && !wanted.includes(tag))
			complain(`${tag} is not this thing's`, '.tags')
}

const comment = (limits) => ({ id: either('string', 'int'), ts: time(limits), comment: 'string', user: 'string', 'pos?': 'string' })

function thing(limits, rack, status) {
	const shape = {
		id: THING_ID, code: CODE, type: TYPE, tags: ['string'], info: {
			'container?': 'string', 'pos?': 'string', 'serialNum?': 'string', 'macAddress?': 'string',
			'poolConfig?': 'string', 'location?': 'string', createdAt: time(limits), updatedAt: time(limits)
		},
		rack: oneOf(rack.id), comments: [comment(limits)], 'address?': 'string', 'port?': whole(0, 65535)
	}
	if (status)
		shape.last = last(limits)
	return rule(shape, (v, complain) => {
		thingTags(v, complain)
		if (v.type !== rack.type && !v.type.startsWith(`${rack.type}-`))
			complain(`${v.type} is no thing of a rack of type ${rack.type}`, '.type')
		const prefix = v.type.split('-').slice(1).join('-').toUpperCase()
		if (prefix !== '' && !new RegExp(`^${prefix}-\\d{4,}$`).test(v.code))
			complain(`${v.code} is not made of ${v.type}: ${prefix}-<4 digits>`, '.code')
		if (!status && v.last !== undefined)
			complain('it was not asked for', '.last')
		if (v.info.createdAt > v.info.updatedAt)
			complain('updated before it was created', '.info.updatedAt')
	})
}

/* Which fields are left when a projection was asked for: only those are looked at. */
function projected(fields, shape) {
	const kept = Object.entries(fields).filter(([, v]) => v).map(([k]) => k.split('.')[0])
	return rule('object', (v, complain) => {
		if (kept.length === 0)
			return
		for (const key of Object.keys(v))
			if (!kept.includes(key))
				complain('it was not asked for', `.${key}`)
		if (Object.values(fields).every((f) => f) && Object.keys(fields).every((f) => !f.includes('.')))
			for (const key of kept)
				if (Object.hasOwn(shape, key))
					for (const p of check(v[key], shape[key], `.${key}`))
						complain(p.replace(/^[^:]*: /, ''), p.replace(/: .*/s, ''))
	})
}

function things(limits, rack, argument) {
	const wanted = argument.fields && Object.keys(argument.fields).length > 0
	const shape = thing(limits, rack, argument.status)
	const most = argument.limit === undefined ? 100 : argument.limit
	return rule([wanted ? projected(argument.fields, shape.shape) : shape], (v, complain) => {
		if (v.length > most)
			complain(`${v.length} things, where at most ${most} were asked for`)
		const ids = v.map((t) => t.id).filter((id) => id !== undefined)
		if (new Set(ids).size !== ids.length)
			complain('an id stands twice')
	})
}

/* --- logs --- */

function newestFirst(v, complain) {
	for (let i = 1; i < v.length; i++)
		if (!(v[i - 1].ts > v[i].ts))
			complain('not newest first', `[${i}].ts`)
}

const SUM = range(0, 1e15)
const GROUPS = mapOf(SUM)

/* The aggregates of miners that the orchestrator sums up; those of sensors may be missing where there
 * are none. */
const MINER_AGGREGATE = {
	hashrate_mhs_1m_sum: SUM, hashrate_mhs_1m_avg: SUM, hashrate_mhs_1m_cnt: COUNT, hashrate_mhs_1m_cnt_active: COUNT,
	hashrate_mhs_1m_group_sum: GROUPS, hashrate_mhs_5m_sum: SUM, hashrate_mhs_5m_avg: SUM, hashrate_mhs_5m_cnt: COUNT,
	hashrate_mhs_5m_cnt_active: COUNT, hashrate_mhs_5m_group_sum: GROUPS,
	'hashrate_mhs_1m_type_group_sum?': GROUPS, 'hashrate_mhs_1m_container_group_sum?': GROUPS,
	'hashrate_mhs_5m_type_group_sum?': GROUPS, 'hashrate_mhs_5m_container_group_sum?': GROUPS,
	'power_w_sum?': SUM, 'power_w_avg?': SUM, 'uptime_ms_avg?': SUM, 'frequency_mhz_avg?': SUM,
	'efficiency_w_ths_avg?': SUM, 'temperature_c_avg?': range(-60, 150),
	offline_or_sleeping_miners_cnt: GROUPS_OR_COUNT(), online_or_minor_error_miners_cnt: GROUPS_OR_COUNT(),
	error_miners_cnt: GROUPS_OR_COUNT(), not_mining_miners_cnt: GROUPS_OR_COUNT(), alerts_cnt: either(COUNT, 'object')
}

/* Counters by status are numbers, or grouped by container. */
function GROUPS_OR_COUNT() {
	return either(COUNT, mapOf(COUNT))
}

const SHARE_AGGREGATE = {
	pools_accepted_shares_total: COUNT, pools_rejected_shares_total: COUNT, pools_stale_shares_total: COUNT
}

function logEntry(limits, argument) {
	const ts = time(limits)
	if (argument.fields && Object.keys(argument.fields).length > 0)
		return { 'ts?': ts }
	if (argument.key === 'thing-5m')
		return { ts, err: either('null', 'string'), snap: snap(limits) }
	if (/^stat-shares-/.test(argument.key))
		return { ts, ...SHARE_AGGREGATE }
	if (argument.key === 'stat-startup')
		return { ts, startupStatus: oneOf(0, 1) }
	return { ts, ...MINER_AGGREGATE }
}

function tailLog(limits, rack, argument) {
	const ranged = argument.start !== undefined || argument.end !== undefined
	const most = argument.limit !== undefined ? argument.limit : ranged ? Infinity : 100
	return rule([logEntry(limits, argument)], (v, complain) => {
		if (v.length > most)
			complain(`${v.length} entries, where at most ${most} were asked for`)
		if (argument.fields === undefined)
			newestFirst(v, complain)
		for (const [i, e] of v.entries())
			if ((argument.start !== undefined && e.ts < argument.start) || (argument.end !== undefined && e.ts > argument.end))
				complain('not in the range that was asked for', `[${i}].ts`)
	})
}

/* --- minerpool racks: section 8 --- */

const RATES = {
	hashrate: range(0, 1e24), hashrate_1h: range(0, 1e24), hashrate_24h: range(0, 1e24),
	hashrate_stale_1h: range(0, 1e24), hashrate_stale_24h: range(0, 1e24)
}
const BTC = range(0, 21e6)

const poolStats = (limits) => ({
	ts: time(limits),
	stats: [{
		poolType: 'string', username: 'string', timestamp: time(limits), balance: BTC, unsettled: BTC,
		revenue_24h: BTC, estimated_today_income: BTC, ...RATES, worker_count: COUNT, active_workers_count: COUNT,
		yearlyBalances: [{ month: either('string', 'int'), balance: BTC }]
	}]
})

const POOL_KEYS = {
	stats: poolStats,
	'stats-history': (limits) => [poolStats(limits)],
	workers: (limits) => ({
		ts: time(limits),
		workers: [{
			poolType: 'string', username: 'string', id: either('string', 'int'), name: 'string', online: oneOf(0, 1),
			last_updated: time(limits), ...RATES
		}]
	}),
	'workers-count': (limits) => [{ ts: time(limits), count: COUNT }],
	transactions: (limits) => [{ ts: time(limits), transactions: [rule({
		username: 'string', 'satoshis_net_earned?': whole(0, 21e14), 'changed_balance?': BTC, 'mining_extra?': { hash_rate: range(0, 1e24) }
	}, (v, complain) => {
		if (v.satoshis_net_earned === undefined && v.changed_balance === undefined)
			complain('neither satoshis_net_earned nor changed_balance')
	})] }],
	blocks: (limits) => ({ ts: time(limits), blocksData: 'any' })
}

function extData(limits, rack, argument) {
	const key = argument.query && argument.query.key
	if (/^minerpool(-|$)/.test(rack.type) && Object.hasOwn(POOL_KEYS, key) && !argument.query.aggrHourly && !argument.query.aggrMonthly &&
	    !argument.query.fields)
		return POOL_KEYS[key](limits)
	return either('object', ['any'])
}

/* --- the methods of a rack --- */

const SETTINGS = 'object'
const ONE = oneOf(1)

/* method: (limits, rack, argument) => shape of the answer */
const METHODS = {
	ping: (l, r, argument) => rule('any', (v, complain) => {
		if (JSON.stringify(v) !== JSON.stringify(argument))
			complain('not what was sent')
	}),
	getInstanceId: () => text(/^.+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '<prefix>-<uuid>'),
	getRack: (l, rack) => ({ id: oneOf(rack.id), rpcPubKey: rule(KEY, (v, complain) => {
		if (v !== rack.info.rpcPublicKey)
			complain('not the key that is registered')
	}) }),
	listThings: things,
	getThingsCount: () => COUNT,
	applyThings: () => COUNT,
	getWriteCalls: () => ({ reqVotes: whole(0, 100), calls: [{ id: 'string', tags: ['string'] }] }),
	registerThing: () => ONE, updateThing: () => ONE, forgetThings: () => ONE, rackReboot: () => ONE,
	saveThingComment: () => ONE, editThingComment: () => ONE, deleteThingComment: () => ONE,
	tailLog,
	getHistoricalLogs: (limits, rack, argument) => (argument.logType === 'alerts' && !argument.fields
		? [rule('object', (v, complain) => {
			for (const p of check(v, alert(limits), ''))
				complain(p.replace(/^[^:]*: /, ''), p.replace(/: .*/s, ''))
		})] : ['object']),
	getWrkExtData: extData,
	getWrkConf: () => 'object',
	getThingConf: (l, rack, argument) => (argument.requestType === 'nextAvailableCode' ? CODE : 'any'),
	getWrkSettings: () => SETTINGS, saveWrkSettings: () => 'any',
	getReplicaConf: () => 'object',
	listFirmwares: () => ['any'], registerFirmware: () => ONE,
	/* By convention; the orchestrator takes anything. */
	queryThing: () => rule({ success: 'bool', 'error_msg?': 'string' }, (v, complain) => {
		if (v.success === (v.error_msg !== undefined))
			complain('error_msg goes with success:false', '.error_msg')
	})
}
METHODS.echo = METHODS.ping

const ERROR = /^\[HRPC_ERR\]=/

/* Errors that a rack's table names, for all that are not one of these the text has to look like one. */
const ERROR_TEXT = /^\[HRPC_ERR\]=ERR_[A-Z0-9_]+/

/* Texts that say what is wrong with a rack's answer to METHOD. */
function checkAnswer(rack, method, argument, value, limits = {}) {
	if (typeof value === 'string' && ERROR.test(value))
		return ERROR_TEXT.test(value) ? [] : [`${method}: ${value} does not begin with [HRPC_ERR]=ERR_`]
	if (!Object.hasOwn(METHODS, method))
		return []
	return check(value, METHODS[method]({ ...defaults, ...limits }, rack, argument || {}), method)
}

module.exports = { ERROR, KEY, METHODS, POWER_MODES, STATUSES, checkAnswer, typeTags }
