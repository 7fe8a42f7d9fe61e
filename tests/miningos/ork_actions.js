/* SPDX-License-Identifier: MIT */
/*
 * ork_actions.js: the orchestrator's queue of actions: proposed, voted on, carried out one after the
 * other.
 *
 *     VOTING --enough votes--> APPROVED (ready) --> EXECUTING --> COMPLETED | FAILED (done)
 *        \--a negative vote, or cancelled by its creator--> DENIED (done)
 */
'use strict'

const { matches, project, sorted } = require('./query')

const RACK_ACTIONS = ['registerThing', 'updateThing', 'forgetThings', 'rackReboot']
const QUEUES = ['voting', 'ready', 'executing', 'done']

/* Whether authPerms (["miner:rw", "actions:w"]) let one write what is of base type BASE. */
function mayWrite(authPerms, base) {
	return authPerms.some((p) => {
		const [area, rights] = p.split(':')
		return area === base && (rights || '').includes('w')
	})
}

class Actions {
	/* CALL(rack, method, argument, ms) asks a rack; RACKS() lists them all. */
	constructor({ call, racks, matchesType, interval = 200 }) {
		Object.assign(this, { call, racks, matchesType })
		this.queues = Object.fromEntries(QUEUES.map((q) => [q, []]))
		this.lastId = 0
		this.timer = setInterval(() => this.drain(), interval)
	}

	close() {
		clearInterval(this.timer)
	}

	newId() {
		this.lastId = Math.max(this.lastId + 1, Date.now())
		return this.lastId
	}

	/* As read back: the payload is split up. */
	shown(action) {
		const { payload: [params, targets, requiredPerms], ...rest } = action
		return { ...rest, params, targets, requiredPerms }
	}

	find(id, queues = QUEUES) {
		for (const type of queues) {
			const action = this.queues[type].find((a) => a.id === id)
			if (action !== undefined)
				return { type, action }
		}
		return null
	}

	move(action, to) {
		for (const q of QUEUES)
			this.queues[q] = this.queues[q].filter((a) => a !== action)
		this.queues[to].push(action)
	}

	/* What the orchestrator itself asks of actions on a rack; the one that is meant, or null: all. */
	rackOf(action, params) {
		if (!RACK_ACTIONS.includes(action) || action === 'rackReboot')
			return { rackId: null }
		const [p] = params
		if (p === undefined || typeof p.rackId !== 'string' || p.rackId === '')
			throw new Error('ERR_ACTION_INVALID_MISSING_RACKID')
		if (action === 'updateThing' && !p.id)
			throw new Error('ERR_ACTION_INVALID_MISSING_ID')
		if (action === 'forgetThings' && (p.query === undefined || typeof p.query.id !== 'string'))
			throw new Error('ERR_ACTION_INVALID_QUERY_ID')
		return { rackId: p.rackId, rackActionId: action === 'forgetThings' ? p.query.id : p.id }
	}

	async push(argument) {
		const { query, action, params, voter, authPerms, rackType, batchActionUID } = argument
		const { rackId, rackActionId } = this.rackOf(action, params)
		const asked = this.racks().filter((r) => mayWrite(authPerms, r.type.split('-')[0]) &&
			(rackType === undefined || this.matchesType(r, rackType)) && (rackId === null || r.id === rackId))
		const targets = {}
		const errors = []
		await Promise.all(asked.map(async (rack) => {
			const write = { query, action, params }
			if (rackActionId !== undefined)
				write.rackActionId = rackActionId
			try {
				targets[rack.id] = await this.call(rack, 'getWriteCalls', write, 120000)
			} catch (e) {
				targets[rack.id] = { reqVotes: 0, calls: [], error: e.message }
				errors.push(e.message)
			}
		}))
		for (const id of Object.keys(targets))
			if (targets[id].calls.length === 0 && targets[id].error === undefined)
				delete targets[id]
		const called = Object.keys(targets).filter((id) => targets[id].calls.length > 0)
		if (called.length === 0)
			return { id: null, errors: [...errors, 'ERR_ORK_ACTION_CALLS_EMPTY'] }
		const perms = [...new Set(called.map((id) => this.racks().find((r) => r.id === id).type.split('-')[0]))]
		const stored = {
			id: this.newId(), ...(batchActionUID === undefined ? {} : { batchActionUID }), action,
			payload: [params, targets, perms], votesPos: [voter], votesNeg: [],
			reqVotesPos: Math.max(1, ...called.map((id) => targets[id].reqVotes)), reqVotesNeg: 1, status: 'VOTING'
		}
		this.queues.voting.push(stored)
		this.judge(stored)
		return { id: stored.id, data: this.shown(stored), errors }
	}

	async pushBatch({ batchActionsPayload, batchActionUID, suffix, voter, authPerms }) {
		const uid = `${this.newId()}-${batchActionUID}${suffix ? `-${suffix}` : ''}`
		const answers = []
		for (const one of batchActionsPayload) {
			try {
				answers.push(await this.push({ ...one, voter, authPerms, batchActionUID: uid }))
			} catch (e) {
				answers.push({ id: null, errors: [e.message] })
			}
		}
		return answers
	}

	judge(action) {
		if (action.votesNeg.length >= action.reqVotesNeg) {
			action.status = 'DENIED'
			this.move(action, 'done')
		} else if (action.votesPos.length >= action.reqVotesPos) {
			action.status = 'APPROVED'
			this.move(action, 'ready')
		}
	}

	vote({ id, voter, approve, authPerms }) {
		const found = this.find(id, ['voting'])
		if (found === null)
			throw new Error('ERR_ACTION_ID_NOT_FOUND')
		const { action } = found
		if (!action.payload[2].every((base) => mayWrite(authPerms, base)))
			throw new Error('ERR_ACTION_DENIED')
		if (action.votesPos.includes(voter) || action.votesNeg.includes(voter))
			throw new Error('ERR_VOTER_EXISTS')
		action[approve ? 'votesPos' : 'votesNeg'].push(voter)
		this.judge(action)
		return 1
	}

	cancel({ ids, voter }) {
		return ids.map((id) => {
			const found = this.find(id, ['voting'])
			if (found === null)
				return { id, success: false, error: 'ERR_ACTION_ID_NOT_FOUND' }
			if (found.action.votesPos[0] !== voter)
				return { id, success: false, error: 'ERR_ACTION_DENIED' }
			found.action.status = 'DENIED'
			this.move(found.action, 'done')
			return { id, success: true }
		})
	}

	async drain() {
		if (this.draining)
			return
		this.draining = true
		while (this.queues.ready.length > 0)
			await this.execute(this.queues.ready[0])
		this.draining = false
	}

	async execute(action) {
		action.status = 'EXECUTING'
		this.move(action, 'executing')
		try {
			const [params, targets] = action.payload
			const added = { actionId: action.id, user: action.votesPos[0] }
			for (const [rackId, target] of Object.entries(targets))
				for (const call of target.calls)
					await this.executeCall(action.action, params, added, this.racks().find((r) => r.id === rackId), call)
			action.status = 'COMPLETED'
		} catch (e) {
			action.status = 'FAILED'
			action.error = e.message
		}
		this.move(action, 'done')
	}

	/* Its failure is written into the call, and is not one of the action. */
	async executeCall(name, params, added, rack, call) {
		try {
			if (rack === undefined)
				throw new Error('ERR_RACK_NOT_FOUND')
			call.result = RACK_ACTIONS.includes(name)
				? await this.call(rack, name, { ...params[0], ...added }, 30000)
				: await this.call(rack, 'queryThing', { id: call.id, method: name, params: [...params, added] }, 30000)
		} catch (e) {
			call.error = e.message
		}
	}

	get({ id, type }) {
		const found = this.find(id, [type])
		if (found === null)
			throw new Error('ERR_ACTION_ID_NOT_FOUND')
		return this.shown(found.action)
	}

	getBatch({ ids }) {
		return ids.map((id) => this.find(id)).filter((f) => f !== null)
			.map(({ type, action }) => ({ type, action: this.shown(action) }))
	}

	query({ queries }) {
		const answer = {}
		for (const { type, filter = {}, opts = {}, query, fields } of queries) {
			if (!QUEUES.includes(type))
				throw new Error('ERR_ACTION_TYPE_INVALID')
			const of = Object.fromEntries(Object.entries(filter).map(([k, v]) => [`$${k}`, v]))
			let list = this.queues[type].map((a) => this.shown(a))
				.filter((a) => matches(a, { ...(Object.keys(of).length > 0 ? { id: of } : {}), ...query }))
			list = sorted(list, { id: opts.reverse ? -1 : 1 }).slice(0, opts.limit === undefined ? 100 : opts.limit)
			answer[type] = list.map((a) => project(a, fields))
		}
		return answer
	}
}

module.exports = { Actions, QUEUES, RACK_ACTIONS, mayWrite }
