/* SPDX-License-Identifier: MIT */
/*
 * app_routes.js: the paths of the app-node as data. Of each: what its query parameters or body have to
 * be (a request that is not so is answered 400), whether its answers are kept, which permission it
 * needs, and what it does. Answers of orchestrators are arrays with an element for each.
 */
'use strict'

const { either } = require('./shape')
const { matches, project, sorted } = require('./query')
const { writes } = require('./app_tokens')

const FLAG = /^(true|false|1|0)$/
/* Query parameters are text; these are JSON in it. */
const JSON_PARAMETERS = ['query', 'fields', 'sort', 'queries', 'keys', 'aggrFields', 'aggrTimes', 'filter']
const NUMBERS = ['offset', 'limit', 'start', 'end']
const page = { 'offset?': 'int', 'limit?': 'int' }
const select = { 'query?': 'object', 'fields?': 'object', 'sort?': 'object' }

const perOrk = (app, method, argument) => Promise.all(app.orks.map(async (ork) => {
	try {
		return await app.ask(ork, method, argument)
	} catch (e) {
		return { error: e.message }
	}
}))
/* [{success: answer}] or [{error}] */
const perOrkSuccess = async (app, method, argument) => (await perOrk(app, method, argument))
	.map((a) => (a !== null && a.error !== undefined ? a : { success: a }))

const user = (session) => ({ voter: session.user.email, authPerms: session.permissions })

function mustWrite(session) {
	if (!writes(session))
		throw new Error('ERR_WRITE_PERM_REQUIRED')
}

async function propose(app, method, argument) {
	const answers = await perOrk(app, method, argument)
	return answers.map((a) => (a.error === undefined ? a : { id: null, errors: [a.error] }))
}

const ids = (text) => text.split(',').map(Number)

/* Where a thing's tags and hash rate come to a line of the list of miners. */
function minerLine(t) {
	const { stats = {}, config = {} } = (t.last && t.last.snap) || {}
	return {
		id: t.id, type: (t.last && t.last.snap && t.last.snap.model) || t.type, code: t.code, container: t.info.container, pos: t.info.pos,
		ip: t.address, status: stats.status, hashrate: stats.hashrate_mhs && stats.hashrate_mhs.t_5m, power: stats.power_w,
		powerMode: config.power_mode, tags: t.tags, rack: t.rack
	}
}

async function miners(app, { filter, sort, fields, search, offset = 0, limit = 50 }) {
	const lists = await perOrk(app, 'listThings', { query: { tags: { $in: ['t-miner'] } }, status: 1, limit: 10000 })
	let lines = lists.flat().filter((t) => t.error === undefined).map(minerLine)
	lines = lines.filter((l) => matches(l, filter) && (search === undefined || JSON.stringify(l).includes(search)))
	return sorted(lines, sort).slice(offset, offset + Math.min(limit, 200)).map((l) => project(l, fields))
}

function poolLine(s, ts) {
	return {
		name: s.username, pool: s.poolType, account: s.username, status: s.active_workers_count > 0 ? 'active' : 'inactive',
		hashrate: s.hashrate, hashrate1h: s.hashrate_1h, hashrate24h: s.hashrate_24h, workerCount: s.worker_count,
		activeWorkerCount: s.active_workers_count, balance: s.balance, unsettled: s.unsettled, revenue24h: s.revenue_24h,
		yearlyBalances: s.yearlyBalances, lastUpdated: ts
	}
}

async function pools(app, { query, sort, fields }) {
	const answers = await perOrk(app, 'getWrkExtData', { type: 'minerpool', query: { key: 'stats' } })
	const found = new Map()
	for (const a of answers.flat().filter((x) => x.error === undefined))
		for (const s of a.stats)
			found.set(`${s.poolType}:${s.username}`, poolLine(s, a.ts))
	const list = sorted([...found.values()].filter((p) => matches(p, query)), sort)
	const total = (key) => list.reduce((sum, p) => sum + p[key], 0)
	return {
		pools: list.map((p) => project(p, fields)),
		summary: { poolCount: list.length, totalHashrate: total('hashrate'), totalWorkers: total('workerCount'), totalBalance: total('balance') }
	}
}

const log = { 'type?': 'string', 'tag?': 'string', 'start?': 'int', 'end?': 'int', ...page, 'fields?': 'object',
	'aggrFields?': 'object', 'aggrTimes?': ['object'], 'applyAggrCrossthg?': 'string' }
const comment = { rackId: 'string', thingId: 'string', 'id?': either('string', 'int'), 'ts?': 'int' }
const commentRoute = (verb, method, more) => ({
	verb, path: '/auth/thing/comment', body: { ...comment, ...more }, needs: 'comments:w',
	run: (app, a, s) => perOrkSuccess(app, method, { ...a, user: s.user.email })
})

const ROUTES = [
	{ verb: 'GET', path: '/auth/list-things', kept: true, takes: { ...select, ...page, 'status?': 'int' },
		run: (app, a) => perOrk(app, 'listThings', a) },
	{ verb: 'GET', path: '/auth/list-racks', kept: true, takes: { type: 'string', 'keys?': 'any' },
		run: (app, a) => {
			if (a.keys !== undefined)
				throw new Error('ERR_KEYS_NOT_ALLOWED')
			return perOrk(app, 'listRacks', { type: a.type })
		} },
	{ verb: 'GET', path: '/auth/miners', kept: true, needs: 'miner:r', takes: { 'filter?': 'object', 'sort?': 'object', 'fields?': 'object',
		'search?': 'string', ...page }, run: miners },
	commentRoute('POST', 'saveThingComment', { comment: 'string' }),
	commentRoute('PUT', 'editThingComment', { comment: 'string' }),
	commentRoute('DELETE', 'deleteThingComment', {}),
	{ verb: 'GET', path: '/auth/settings', takes: { rackId: 'string' }, run: (app, a) => perOrkSuccess(app, 'getWrkSettings', a) },
	{ verb: 'PUT', path: '/auth/settings', body: { rackId: 'string', entries: 'object' }, run: (app, a, s) => {
		mustWrite(s)
		return perOrkSuccess(app, 'saveWrkSettings', a)
	} },
	{ verb: 'GET', path: '/auth/worker-config', kept: true, takes: { type: 'string', 'fields?': 'object' },
		run: (app, a) => perOrk(app, 'getWrkConf', a) },
	{ verb: 'GET', path: '/auth/thing-config', takes: { type: 'string', requestType: 'string' },
		run: (app, a) => perOrk(app, 'getThingConf', a) },
	{ verb: 'GET', path: '/auth/ext-data', kept: true, takes: { type: 'string', 'query?': 'object' },
		run: (app, a) => perOrk(app, 'getWrkExtData', a) },
	{ verb: 'GET', path: '/auth/pools', kept: true, takes: select, run: pools },

	{ verb: 'GET', path: '/auth/actions', kept: true, takes: { queries: ['object'], 'groupBatch?': 'string', 'suffix?': 'string' },
		run: (app, a) => {
			if (JSON.stringify(a.queries).length > 1000 || a.queries.length > 10)
				throw new Error('ERR_QUERIES_LIMIT_EXCEEDED')
			return perOrk(app, 'queryActions', a)
		} },
	{ verb: 'GET', path: '/auth/actions/batch', kept: true, takes: { ids: 'string' },
		run: async (app, a) => (await perOrk(app, 'getActionsBatch', { ids: ids(a.ids) })).flat() },
	{ verb: 'GET', path: '/auth/actions/:type/:id', takes: {},
		run: (app, a, s, [type, id]) => perOrk(app, 'getAction', { type, id: Number(id) }) },
	{ verb: 'POST', path: '/auth/actions/voting', body: { query: 'object', action: 'string', params: ['any'], 'rackType?': 'string', 'type?': 'string' },
		run: (app, { query, action, params }, s) => {
			mustWrite(s)
			return propose(app, 'pushAction', { query, action, params, ...user(s) })
		} },
	{ verb: 'POST', path: '/auth/actions/voting/batch', body: { batchActionsPayload: [{ query: 'object', action: 'string', params: ['any'] }],
		batchActionUID: 'string', 'suffix?': 'string' }, run: (app, a, s) => {
		mustWrite(s)
		return perOrk(app, 'pushActionsBatch', { ...a, ...user(s) })
	} },
	{ verb: 'PUT', path: '/auth/actions/voting/:id/vote', body: { approve: 'bool' }, run: async (app, { approve }, s, [id]) => {
		mustWrite(s)
		return (await perOrk(app, 'voteAction', { id: Number(id), approve, ...user(s) }))
			.map((res) => ({ res: res.error === undefined ? res : { success: false, error: res.error } }))
	} },
	{ verb: 'DELETE', path: '/auth/actions/voting/cancel', takes: { ids: 'string' }, run: async (app, a, s) => {
		mustWrite(s)
		return (await perOrk(app, 'cancelActionsBatch', { ids: ids(a.ids), voter: s.user.email })).map((res) => ({ res }))
	} },

	{ verb: 'GET', path: '/auth/tail-log', kept: true, takes: { key: 'string', ...log }, run: (app, a) => perOrk(app, 'tailLog', a) },
	{ verb: 'GET', path: '/auth/tail-log/multi', kept: true, takes: { keys: ['object'], ...log }, run: (app, a) => perOrk(app, 'tailLogMulti', a) },
	{ verb: 'GET', path: '/auth/tail-log/range-aggr', kept: true, takes: { keys: [{ type: 'string', startDate: 'any', endDate: 'any' }] },
		run: (app, a) => perOrk(app, 'tailLogCustomRangeAggr', a) },
	{ verb: 'GET', path: '/auth/history-log', kept: true, takes: { logType: 'string', 'start?': 'int', 'end?': 'int', ...page, ...select },
		run: (app, a) => perOrk(app, 'getHistoricalLogs', a) },
	{ verb: 'GET', path: '/auth/global-config', takes: { 'fields?': 'object' }, run: (app, a) => perOrk(app, 'getGlobalConfig', a) },
	{ verb: 'POST', path: '/auth/global-config', body: { data: { isAutoSleepAllowed: 'bool' } }, needs: 'features:w',
		run: (app, a) => perOrk(app, 'setGlobalConfig', a.data) },

	{ verb: 'POST', path: '/auth/token', body: { 'ips?': ['string'], 'ttl?': 'int', 'pfx?': 'string', 'scope?': 'string', 'roles?': ['string'] },
		run: (app, a, s, _, seen) => ({ token: app.tokens.renew(s, a, seen) }) },
	{ verb: 'GET', path: '/auth/userinfo', takes: {},
		run: (app, a, s) => ({ userId: s.user.userId, ips: s.ips, metadata: { email: s.user.email, roles: s.roles } }) },
	{ verb: 'GET', path: '/auth/permissions', takes: {},
		run: (app, a, s) => ({ permissions: { write: writes(s), caps: [], superAdmin: s.superAdmin, permissions: s.permissions } }) }
]

/* The route of VERB and PATH with what stood in the place of its ":names", or null. */
function route(verb, path) {
	const parts = path.split('/')
	for (const r of ROUTES) {
		const pattern = r.path.split('/')
		if (r.verb === verb && pattern.length === parts.length && pattern.every((p, i) => p.startsWith(':') || p === parts[i]))
			return { route: r, names: parts.filter((_, i) => pattern[i].startsWith(':')) }
	}
	return null
}

/* Query parameters as values; throws when one is no JSON or no number where it has to be. */
function parameters(search) {
	const values = {}
	for (const [key, value] of search) {
		if (key === 'overwriteCache') {
			if (!FLAG.test(value))
				throw new Error('overwriteCache')
		} else if (JSON_PARAMETERS.includes(key)) {
			values[key] = JSON.parse(value)
		} else if (NUMBERS.includes(key) || key === 'status') {
			const flag = key === 'status' && FLAG.test(value) ? Number(value === 'true' || value === '1') : Number(value)
			if (value === '' || !Number.isFinite(flag))
				throw new Error(key)
			values[key] = flag
		} else {
			values[key] = value
		}
	}
	return values
}

module.exports = { ROUTES, parameters, route }
